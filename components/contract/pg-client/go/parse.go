package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"contract"
	pg "wharf/bindings/wharf_platform_pg_client"
)

// A value as JSON: `{"type": "int4", "value": 7}`. Numbers that a double cannot hold travel as text.
type value struct {
	Type       string
	Value      json.RawMessage
	OID        json.RawMessage
	ElementOID json.RawMessage `json:"element_oid"`
	Dimensions [][2]json.RawMessage
	Elements   []value
	Bounds     []string
	Values     []value
}

// Bounds of a range; their order is the contract's.
var bounds = [...]string{"empty", "lower", "lower-inclusive", "upper", "upper-inclusive"}

func (value value) parse() (pg.PgValue, error) {
	switch value.Type {
	case "array":
		array, err := value.array()
		return pg.MakePgValueArray(array), err
	case "range":
		bounded, err := value.bounded()
		return pg.MakePgValueRange(bounded), err
	}
	scalar, err := value.scalar()
	return pg.MakePgValueScalar(scalar), err
}

func (value value) array() (array pg.ArrayValue, err error) {
	if array.ElementOid, err = oidOr0(value.ElementOID); err != nil {
		return array, err
	}
	if array.Dimensions, err = contract.Mapped(value.Dimensions, dimension); err != nil {
		return array, err
	}
	array.Elements, err = contract.Mapped(value.Elements, scalar)
	return array, err
}

func (value value) bounded() (bounded pg.RangeValue, err error) {
	if bounded.TypeOid, err = oidOr0(value.OID); err != nil {
		return bounded, err
	}
	for bit, name := range bounds {
		if slices.Contains(value.Bounds, name) {
			bounded.Bounds |= 1 << bit
		}
	}
	bounded.Values, err = contract.Mapped(value.Values, scalar)
	return bounded, err
}

func scalar(value value) (pg.Scalar, error) {
	return value.scalar()
}

func (value value) scalar() (pg.Scalar, error) {
	parse, ok := scalars[value.Type]
	if !ok {
		return pg.MakeScalarNull(), contract.Malformed(fmt.Sprintf("no type `%s`", value.Type))
	}
	return parse(value)
}

var scalars = map[string]func(value) (pg.Scalar, error){
	"null":        func(value) (pg.Scalar, error) { return pg.MakeScalarNull(), nil },
	"boolean":     as(decoded[bool], pg.MakeScalarBoolean),
	"int2":        as(number[int16], pg.MakeScalarInt2),
	"int4":        as(number[int32], pg.MakeScalarInt4),
	"int8":        as(number[int64], pg.MakeScalarInt8),
	"oid":         as(number[uint32], pg.MakeScalarOid),
	"float4":      as(float[float32], pg.MakeScalarFloat4),
	"float8":      as(float[float64], pg.MakeScalarFloat8),
	"numeric":     as(decoded[string], pg.MakeScalarNumeric),
	"text":        as(decoded[string], pg.MakeScalarText),
	"bytea":       as(hexadecimal, pg.MakeScalarBytea),
	"uuid":        as(decoded[string], pg.MakeScalarUuid),
	"json":        as(decoded[string], pg.MakeScalarJson),
	"jsonb":       as(decoded[string], pg.MakeScalarJsonb),
	"date":        as(number[int32], pg.MakeScalarDate),
	"time":        as(number[uint64], pg.MakeScalarTime),
	"timetz":      as(timetz, pg.MakeScalarTimetz),
	"timestamp":   as(number[int64], pg.MakeScalarTimestamp),
	"timestamptz": as(number[int64], pg.MakeScalarTimestamptz),
	"interval":    as(interval, pg.MakeScalarInterval),
	"inet":        as(decoded[string], pg.MakeScalarInet),
	"cidr":        as(decoded[string], pg.MakeScalarCidr),
	"macaddr":     as(decoded[string], pg.MakeScalarMacaddr),
	"raw":         raw,
	"untyped":     as(decoded[string], pg.MakeScalarUntyped),
}

// A scalar is made of what `parse` finds in `value`.
func as[T any](parse func(json.RawMessage) (T, error), make func(T) pg.Scalar) func(value) (pg.Scalar, error) {
	return func(value value) (pg.Scalar, error) {
		parsed, err := parse(value.Value)
		if err != nil {
			return pg.MakeScalarNull(), err
		}
		return make(parsed), nil
	}
}

func raw(value value) (pg.Scalar, error) {
	oid, err := number[uint32](value.OID)
	if err != nil {
		return pg.MakeScalarNull(), err
	}
	content, err := hexadecimal(value.Value)
	return pg.MakeScalarRaw(pg.RawValue{TypeOid: oid, Bytes: content}), err
}

func timetz(text json.RawMessage) (time pg.TimeTz, err error) {
	parts, err := decoded[struct {
		Micros json.RawMessage
		Offset json.RawMessage `json:"offset_secs"`
	}](text)
	if err != nil {
		return time, err
	}
	if time.Micros, err = number[uint64](parts.Micros); err != nil {
		return time, err
	}
	time.OffsetSecs, err = number[int32](parts.Offset)
	return time, err
}

func interval(text json.RawMessage) (interval pg.Interval, err error) {
	parts, err := decoded[struct{ Months, Days, Micros json.RawMessage }](text)
	if err != nil {
		return interval, err
	}
	if interval.Months, err = number[int32](parts.Months); err != nil {
		return interval, err
	}
	if interval.Days, err = number[int32](parts.Days); err != nil {
		return interval, err
	}
	interval.Micros, err = number[int64](parts.Micros)
	return interval, err
}

func dimension(pair [2]json.RawMessage) (dimension pg.Dimension, err error) {
	if dimension.Length, err = number[uint32](pair[0]); err != nil {
		return dimension, err
	}
	dimension.LowerBound, err = number[int32](pair[1])
	return dimension, err
}

func hexadecimal(text json.RawMessage) ([]byte, error) {
	digits, err := decoded[string](text)
	if err != nil {
		return nil, err
	}
	content, err := hex.DecodeString(digits)
	if err != nil {
		return nil, contract.Malformed(fmt.Sprintf("`%s` is not hexadecimal", digits))
	}
	return content, nil
}

func oidOr0(text json.RawMessage) (uint32, error) {
	if text == nil {
		return 0, nil
	}
	return number[uint32](text)
}

// A whole number, written as such or as text.
func number[T int16 | int32 | int64 | uint32 | uint64](text json.RawMessage) (T, error) {
	return decoded[T](unquoted(text))
}

// A number, "NaN", "inf" or "-inf", written as such or as text.
func float[T float32 | float64](text json.RawMessage) (T, error) {
	var number T
	bits := 64
	if _, single := any(number).(float32); single {
		bits = 32
	}
	parsed, err := strconv.ParseFloat(string(unquoted(text)), bits)
	if err != nil {
		return number, contract.Malformed(fmt.Sprintf("%s is no number that fits", text))
	}
	return T(parsed), nil
}

func unquoted(text json.RawMessage) json.RawMessage {
	return bytes.Trim(text, `"`)
}

// What a value has to be.
func decoded[T any](text json.RawMessage) (T, error) {
	var it T
	if string(text) == "null" || json.Unmarshal(text, &it) != nil {
		return it, contract.Malformed(fmt.Sprintf("`%s` is not what its type wants", text))
	}
	return it, nil
}
