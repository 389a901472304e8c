package main

import (
	"encoding/hex"
	"math"
	"strconv"

	"contract"
	pg "wharf/bindings/wharf_platform_pg_client"
)

func describeRowSet(set pg.RowSet) result {
	return result{"columns": describeColumns(set.Columns), "rows": describeRows(set.Rows), "affected": set.Affected}
}

func describeColumns(columns []pg.Column) []result {
	described := make([]result, 0, len(columns))
	for _, column := range columns {
		described = append(described, result{"name": column.Name, "oid": column.TypeOid})
	}
	return described
}

func describeRows(rows []pg.Row) []any {
	described := make([]any, 0, len(rows))
	for _, row := range rows {
		values := make([]result, 0, len(row))
		for _, value := range row {
			values = append(values, describeValue(value))
		}
		described = append(described, values)
	}
	return described
}

func describeValue(value pg.PgValue) result {
	switch value.Tag() {
	case pg.PgValueArray:
		array := value.Array()
		dimensions := make([][2]int64, 0, len(array.Dimensions))
		for _, dimension := range array.Dimensions {
			dimensions = append(dimensions, [2]int64{int64(dimension.Length), int64(dimension.LowerBound)})
		}
		return result{
			"type":        "array",
			"element_oid": array.ElementOid,
			"dimensions":  dimensions,
			"elements":    describeScalars(array.Elements),
		}
	case pg.PgValueRange:
		bounded := value.Range()
		names := []string{}
		for bit, name := range bounds {
			if bounded.Bounds&(1<<bit) != 0 {
				names = append(names, name)
			}
		}
		return result{
			"type":   "range",
			"oid":    bounded.TypeOid,
			"bounds": names,
			"values": describeScalars(bounded.Values),
		}
	}
	return describeScalar(value.Scalar())
}

func describeScalars(scalars []pg.Scalar) []result {
	described := make([]result, 0, len(scalars))
	for _, scalar := range scalars {
		described = append(described, describeScalar(scalar))
	}
	return described
}

func describeScalar(scalar pg.Scalar) result {
	typed := func(name string, value any) result { return result{"type": name, "value": value} }
	switch scalar.Tag() {
	case pg.ScalarBoolean:
		return typed("boolean", scalar.Boolean())
	case pg.ScalarInt2:
		return typed("int2", scalar.Int2())
	case pg.ScalarInt4:
		return typed("int4", scalar.Int4())
	case pg.ScalarInt8:
		return typed("int8", decimal(scalar.Int8()))
	case pg.ScalarOid:
		return typed("oid", scalar.Oid())
	case pg.ScalarFloat4:
		return typed("float4", describeFloat(float64(scalar.Float4()), scalar.Float4()))
	case pg.ScalarFloat8:
		return typed("float8", describeFloat(scalar.Float8(), scalar.Float8()))
	case pg.ScalarNumeric:
		return typed("numeric", scalar.Numeric())
	case pg.ScalarText:
		return typed("text", scalar.Text())
	case pg.ScalarBytea:
		return typed("bytea", hex.EncodeToString(scalar.Bytea()))
	case pg.ScalarUuid:
		return typed("uuid", scalar.Uuid())
	case pg.ScalarJson:
		return typed("json", scalar.Json())
	case pg.ScalarJsonb:
		return typed("jsonb", scalar.Jsonb())
	case pg.ScalarDate:
		return typed("date", scalar.Date())
	case pg.ScalarTime:
		return typed("time", strconv.FormatUint(scalar.Time(), 10))
	case pg.ScalarTimetz:
		time := scalar.Timetz()
		return typed("timetz", result{"micros": strconv.FormatUint(time.Micros, 10), "offset_secs": time.OffsetSecs})
	case pg.ScalarTimestamp:
		return typed("timestamp", decimal(scalar.Timestamp()))
	case pg.ScalarTimestamptz:
		return typed("timestamptz", decimal(scalar.Timestamptz()))
	case pg.ScalarInterval:
		interval := scalar.Interval()
		return typed("interval", result{"months": interval.Months, "days": interval.Days, "micros": decimal(interval.Micros)})
	case pg.ScalarInet:
		return typed("inet", scalar.Inet())
	case pg.ScalarCidr:
		return typed("cidr", scalar.Cidr())
	case pg.ScalarMacaddr:
		return typed("macaddr", scalar.Macaddr())
	case pg.ScalarRaw:
		raw := scalar.Raw()
		return result{"type": "raw", "oid": raw.TypeOid, "value": hex.EncodeToString(raw.Bytes)}
	case pg.ScalarUntyped:
		return typed("untyped", scalar.Untyped())
	}
	return result{"type": "null"}
}

func decimal(number int64) string {
	return strconv.FormatInt(number, 10)
}

// The number in its own precision; "NaN", "inf" and "-inf" as text.
func describeFloat(number float64, exact any) any {
	switch {
	case math.IsNaN(number):
		return "NaN"
	case math.IsInf(number, 1):
		return "inf"
	case math.IsInf(number, -1):
		return "-inf"
	}
	return exact
}

func describeError(err pg.Error) result {
	withText := func(name, text string) result { return result{"case": name, "text": text} }
	switch err.Tag() {
	case pg.ErrorUnavailable:
		return withText("unavailable", err.Unavailable())
	case pg.ErrorPoolExhausted:
		return result{"case": "pool-exhausted"}
	case pg.ErrorConnectionLost:
		return withText("connection-lost", err.ConnectionLost())
	case pg.ErrorDenied:
		return withText("denied", err.Denied())
	case pg.ErrorTimeout:
		return result{"case": "timeout"}
	case pg.ErrorCancelled:
		return result{"case": "cancelled"}
	case pg.ErrorLimitExceeded:
		return withText("limit-exceeded", err.LimitExceeded())
	case pg.ErrorInvalidArgument:
		return withText("invalid-argument", err.InvalidArgument())
	case pg.ErrorTransactionClosed:
		return result{"case": "transaction-closed"}
	case pg.ErrorDb:
		return describeDatabaseError(err.Db())
	default:
		return withText("other", err.Other())
	}
}

func describeDatabaseError(err pg.DbError) result {
	return result{
		"case":       "db",
		"sqlstate":   err.Sqlstate,
		"severity":   err.Severity,
		"message":    err.Message,
		"detail":     contract.OrNull(err.Detail),
		"hint":       contract.OrNull(err.Hint),
		"position":   contract.OrNull(err.Position),
		"context":    contract.OrNull(err.Context),
		"schema":     contract.OrNull(err.Schema),
		"table":      contract.OrNull(err.Table),
		"column":     contract.OrNull(err.Column),
		"data_type":  contract.OrNull(err.DataType),
		"constraint": contract.OrNull(err.Constraint),
	}
}
