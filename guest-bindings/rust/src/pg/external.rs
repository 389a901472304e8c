//! Values of well-known crates, each behind the feature of its name.

#[cfg(feature = "uuid")]
mod uuid {
    use crate::pg::wire::{fixed, oid};
    use crate::pg::{FromPg, Mismatch, PgValue, Scalar, ToPg, WireValue};
    use ::uuid::Uuid;

    impl ToPg for Uuid {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Uuid(self.hyphenated().to_string()))
        }
    }

    impl FromPg for Uuid {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match &value {
                PgValue::Scalar(Scalar::Uuid(text)) => Self::parse_str(text).ok(),
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("Uuid", &value))
        }

        fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
            match value.bytes.filter(|_| value.type_oid == oid::UUID).and_then(fixed) {
                Some(bytes) => Ok(Self::from_bytes(bytes)),
                None => Self::from_pg(value.decode()?),
            }
        }
    }
}

#[cfg(feature = "rust_decimal")]
mod decimal {
    use crate::pg::{FromPg, Mismatch, PgValue, Scalar, ToPg};
    use rust_decimal::Decimal;

    impl ToPg for Decimal {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Numeric(self.to_string()))
        }
    }

    impl FromPg for Decimal {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match &value {
                PgValue::Scalar(Scalar::Numeric(text)) => Self::from_str_exact(text).ok(),
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("Decimal (a numeric of at most 28 digits)", &value))
        }
    }
}

#[cfg(feature = "chrono")]
mod chrono {
    use crate::pg::{FromPg, Mismatch, PgValue, Scalar, ToPg};
    use ::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

    /// The day that Postgres's contract value 0 stands for.
    fn epoch() -> NaiveDate {
        DateTime::<Utc>::UNIX_EPOCH.date_naive()
    }

    impl ToPg for DateTime<Utc> {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Timestamptz(self.timestamp_micros()))
        }
    }

    impl FromPg for DateTime<Utc> {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Timestamptz(micros)) => Self::from_timestamp_micros(micros),
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("DateTime<Utc> (a finite timestamptz)", &value))
        }
    }

    impl ToPg for NaiveDateTime {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Timestamp(self.and_utc().timestamp_micros()))
        }
    }

    impl FromPg for NaiveDateTime {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Timestamp(micros)) => DateTime::from_timestamp_micros(micros),
                _ => None,
            }
            .map(|time| time.naive_utc())
            .ok_or_else(|| Mismatch::new("NaiveDateTime (a finite timestamp)", &value))
        }
    }

    impl ToPg for NaiveDate {
        fn to_pg(&self) -> PgValue {
            let days = self.signed_duration_since(epoch()).num_days();
            // chrono's years end at 262,142: far inside an i32 of days.
            PgValue::Scalar(Scalar::Date(i32::try_from(days).unwrap_or(i32::MAX)))
        }
    }

    impl FromPg for NaiveDate {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Date(days)) => {
                    TimeDelta::try_days(days.into()).and_then(|days| epoch().checked_add_signed(days))
                }
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("NaiveDate (a finite date)", &value))
        }
    }

    impl ToPg for NaiveTime {
        fn to_pg(&self) -> PgValue {
            let seconds = u64::from(self.num_seconds_from_midnight());
            PgValue::Scalar(Scalar::Time(seconds * 1_000_000 + u64::from(self.nanosecond() / 1000)))
        }
    }

    impl FromPg for NaiveTime {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Time(micros)) => u32::try_from(micros / 1_000_000)
                    .ok()
                    .zip(u32::try_from(micros % 1_000_000 * 1000).ok())
                    .and_then(|(seconds, nanos)| Self::from_num_seconds_from_midnight_opt(seconds, nanos)),
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("NaiveTime (a time before 24:00)", &value))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn values_survive_the_way_there_and_back() {
            let time: DateTime<Utc> = "2026-11-23T05:12:56.789012Z".parse().unwrap();
            assert_eq!(DateTime::from_pg(time.to_pg()), Ok(time));
            assert_eq!(NaiveDateTime::from_pg(time.naive_utc().to_pg()), Ok(time.naive_utc()));
            assert_eq!(NaiveDate::from_pg(time.date_naive().to_pg()), Ok(time.date_naive()));
            assert_eq!(NaiveTime::from_pg(time.time().to_pg()), Ok(time.time()));
            assert!(
                NaiveDate::from_pg(PgValue::Scalar(Scalar::Date(i32::MAX))).is_err(),
                "infinity is no day"
            );
        }
    }
}

#[cfg(feature = "time")]
mod time {
    use crate::pg::{FromPg, Mismatch, PgValue, Scalar, ToPg};
    use ::time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};

    /// The Julian day of 1970-01-01.
    const EPOCH: i32 = 2_440_588;

    fn micros(time: OffsetDateTime) -> i64 {
        // time's years end at 9999 (or 999,999): inside an i64 of microseconds, or next to it.
        i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).unwrap_or(i64::MAX)
    }

    fn instant(micros: i64) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()
    }

    impl ToPg for OffsetDateTime {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Timestamptz(micros(*self)))
        }
    }

    impl FromPg for OffsetDateTime {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Timestamptz(micros)) => instant(micros),
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("OffsetDateTime (a finite timestamptz)", &value))
        }
    }

    impl ToPg for PrimitiveDateTime {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Timestamp(micros(self.assume_utc())))
        }
    }

    impl FromPg for PrimitiveDateTime {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Timestamp(micros)) => instant(micros),
                _ => None,
            }
            .map(|time| time.to_offset(UtcOffset::UTC))
            .map(|time| Self::new(time.date(), time.time()))
            .ok_or_else(|| Mismatch::new("PrimitiveDateTime (a finite timestamp)", &value))
        }
    }

    impl ToPg for Date {
        fn to_pg(&self) -> PgValue {
            PgValue::Scalar(Scalar::Date(self.to_julian_day() - EPOCH))
        }
    }

    impl FromPg for Date {
        fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
            match value {
                PgValue::Scalar(Scalar::Date(days)) => {
                    days.checked_add(EPOCH).and_then(|day| Self::from_julian_day(day).ok())
                }
                _ => None,
            }
            .ok_or_else(|| Mismatch::new("Date (a finite date)", &value))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn values_survive_the_way_there_and_back() {
            let time = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_000).unwrap();
            assert_eq!(OffsetDateTime::from_pg(time.to_pg()), Ok(time));
            assert_eq!(Date::from_pg(time.date().to_pg()), Ok(time.date()));
            let local = PrimitiveDateTime::new(time.date(), time.time());
            assert_eq!(PrimitiveDateTime::from_pg(local.to_pg()), Ok(local));
            assert!(matches!(
                Date::from_julian_day(EPOCH).unwrap().to_pg(),
                PgValue::Scalar(Scalar::Date(0))
            ));
        }
    }
}
