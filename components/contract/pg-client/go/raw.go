package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"contract"
	"wharf"
	pg "wharf/bindings/wharf_platform_pg_client"
)

func queryRaw(session session, command *command) (result, error) {
	statement, err := command.statement()
	if err != nil {
		return nil, err
	}
	set, err := wharf.Check(session.QueryRaw(statement.Sql, statement.Params))
	if err != nil {
		return nil, err
	}
	return describeRawRowSet(set)
}

func pipelineRaw(session session, command *command) (result, error) {
	statements, err := command.statements()
	if err != nil {
		return nil, err
	}
	sets, err := wharf.Check(session.PipelineRaw(statements))
	if err != nil {
		return nil, err
	}
	results, err := contract.Mapped(sets, describeRawRowSet)
	return result{"results": results}, err
}

func nextRawRows(cursor *pg.Cursor, columns []pg.Column, size uint32) ([]any, error) {
	raw, err := wharf.Check(cursor.NextRaw(size))
	if err != nil {
		return nil, err
	}
	return takeApart(columns, raw)
}

func describeRawRowSet(set pg.RawRowSet) (result, error) {
	rows, err := takeApart(set.Columns, set.Rows)
	return result{"columns": describeColumns(set.Columns), "rows": rows, "affected": set.Affected}, err
}

// Takes the bytes apart as the contract says that they lie; all of them must belong to a row.
func takeApart(columns []pg.Column, raw pg.RawRows) ([]any, error) {
	rest := raw.Bytes
	rows := make([]any, 0, raw.Count)
	for number := range raw.Count {
		row := make([]any, 0, len(columns))
		for _, column := range columns {
			value, after, ok := cutValue(rest)
			if !ok {
				return nil, contract.Malformed(fmt.Sprintf("row %d of %d is cut off", number, raw.Count))
			}
			rest = after
			if value == nil {
				row = append(row, nil)
			} else {
				row = append(row, result{"oid": column.TypeOid, "bytes": hex.EncodeToString(value)})
			}
		}
		rows = append(rows, row)
	}
	if len(rest) > 0 {
		return nil, contract.Malformed(fmt.Sprintf("%d bytes after the last row", len(rest)))
	}
	return rows, nil
}

// The value at the beginning, nil for null, and what follows it.
func cutValue(raw []byte) (value, after []byte, ok bool) {
	if len(raw) < 4 {
		return nil, nil, false
	}
	length, rest := int32(binary.BigEndian.Uint32(raw)), raw[4:]
	if length == -1 {
		return nil, rest, true
	}
	if length < 0 || int(length) > len(rest) {
		return nil, nil, false
	}
	return rest[:length:length], rest[length:], true
}
