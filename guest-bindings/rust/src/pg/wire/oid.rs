//! OIDs of PostgreSQL's own types, as `pg_type.dat` fixes them.

pub(in crate::pg) const BOOL: u32 = 16;
pub(in crate::pg) const BYTEA: u32 = 17;
pub(in crate::pg) const NAME: u32 = 19;
pub(in crate::pg) const INT8: u32 = 20;
pub(in crate::pg) const INT2: u32 = 21;
pub(in crate::pg) const INT4: u32 = 23;
pub(in crate::pg) const TEXT: u32 = 25;
pub(in crate::pg) const OID: u32 = 26;
pub(in crate::pg) const JSON: u32 = 114;
pub(in crate::pg) const CIDR: u32 = 650;
pub(in crate::pg) const FLOAT4: u32 = 700;
pub(in crate::pg) const FLOAT8: u32 = 701;
pub(in crate::pg) const UNKNOWN: u32 = 705;
pub(in crate::pg) const MACADDR: u32 = 829;
pub(in crate::pg) const INET: u32 = 869;
pub(in crate::pg) const BPCHAR: u32 = 1042;
pub(in crate::pg) const VARCHAR: u32 = 1043;
pub(in crate::pg) const DATE: u32 = 1082;
pub(in crate::pg) const TIME: u32 = 1083;
pub(in crate::pg) const TIMESTAMP: u32 = 1114;
pub(in crate::pg) const TIMESTAMPTZ: u32 = 1184;
pub(in crate::pg) const INTERVAL: u32 = 1186;
pub(in crate::pg) const TIMETZ: u32 = 1266;
pub(in crate::pg) const NUMERIC: u32 = 1700;
pub(in crate::pg) const RECORD: u32 = 2249;
const RECORD_ARRAY: u32 = 2287;
pub(in crate::pg) const UUID: u32 = 2950;
pub(in crate::pg) const JSONB: u32 = 3802;

/// The first OID that a database gives to what it defines itself (`FirstNormalObjectId`).
const FIRST_USER_DEFINED: u32 = 16_384;

/// The arrays among PostgreSQL's own types, in order.
const ARRAYS: [u32; 79] = [
    22, 30, 143, 199, 271, 629, 651, 719, 775, 791, 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009,
    1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1021, 1022, 1027, 1028, 1034, 1040,
    1041, 1115, 1182, 1183, 1185, 1187, 1231, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211,
    2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3807, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090,
    4097, 4192, 5039, 6150, 6151, 6152, 6153, 6155, 6157,
];

pub(in crate::pg) fn is_array(oid: u32) -> bool {
    ARRAYS.binary_search(&oid).is_ok()
}

/// Whether a value of this type may be an array: its bytes must tell.
pub(in crate::pg) fn may_be_array(oid: u32) -> bool {
    is_user_defined(oid) || oid == RECORD_ARRAY || is_array(oid)
}

pub(in crate::pg) fn is_user_defined(oid: u32) -> bool {
    oid >= FIRST_USER_DEFINED
}

/// The type of a range's bounds.
pub(in crate::pg) fn bound_of(range: u32) -> Option<u32> {
    Some(match range {
        3904 => INT4,
        3906 => NUMERIC,
        3908 => TIMESTAMP,
        3910 => TIMESTAMPTZ,
        3912 => DATE,
        3926 => INT8,
        _ => return None,
    })
}

/// The type of a multirange's ranges.
pub(in crate::pg) fn range_of(multirange: u32) -> Option<u32> {
    Some(match multirange {
        4451 => 3904,
        4532 => 3906,
        4533 => 3908,
        4534 => 3910,
        4535 => 3912,
        4536 => 3926,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{ARRAYS, bound_of, is_array, range_of};

    #[test]
    fn the_arrays_are_in_the_order_that_the_search_needs() {
        assert!(ARRAYS.is_sorted());
        assert!(is_array(1007) && is_array(6157) && !is_array(23));
    }

    #[test]
    fn every_multirange_has_ranges_that_have_bounds() {
        let bounds = (4000..5000).filter_map(range_of).map(bound_of);
        assert_eq!(bounds.filter(Option::is_some).count(), 6);
    }
}
