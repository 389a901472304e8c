package main

import (
	"contract"
	"wharf"
	pg "wharf/bindings/wharf_platform_pg_client"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// What a database and a transaction can do alike.
type session interface {
	Query(sql string, params []pg.PgValue) wit.Result[pg.RowSet, pg.Error]
	Execute(sql string, params []pg.PgValue) wit.Result[uint64, pg.Error]
	Pipeline(statements []pg.Statement) wit.Result[[]pg.RowSet, pg.Error]
	Cursor(sql string, params []pg.PgValue) wit.Result[*pg.Cursor, pg.Error]
	QueryRaw(sql string, params []pg.PgValue) wit.Result[pg.RawRowSet, pg.Error]
	PipelineRaw(statements []pg.Statement) wit.Result[[]pg.RawRowSet, pg.Error]
	CopyIn(sql string) wit.Result[*pg.CopyWriter, pg.Error]
	CopyOut(sql string) wit.Result[*pg.CopyReader, pg.Error]
}

// Runs one operation. There is neither a result nor an error when there is none of this name.
func run(session session, operation string, command *command) (result, error) {
	switch operation {
	case "query":
		return query(session, command)
	case "execute":
		return execute(session, command)
	case "pipeline":
		return pipeline(session, command)
	case "cursor":
		return cursor(session, command, nextRows)
	case "query-raw":
		return queryRaw(session, command)
	case "pipeline-raw":
		return pipelineRaw(session, command)
	case "cursor-raw":
		return cursor(session, command, nextRawRows)
	case "copy-in":
		return copyIn(session, command)
	case "copy-out":
		return copyOut(session, command)
	}
	return nil, nil
}

func query(session session, command *command) (result, error) {
	statement, err := command.statement()
	if err != nil {
		return nil, err
	}
	set, err := wharf.Check(session.Query(statement.Sql, statement.Params))
	return describeRowSet(set), err
}

func execute(session session, command *command) (result, error) {
	statement, err := command.statement()
	if err != nil {
		return nil, err
	}
	affected, err := wharf.Check(session.Execute(statement.Sql, statement.Params))
	return result{"affected": affected}, err
}

func pipeline(session session, command *command) (result, error) {
	statements, err := command.statements()
	if err != nil {
		return nil, err
	}
	sets, err := wharf.Check(session.Pipeline(statements))
	results := make([]result, 0, len(sets))
	for _, set := range sets {
		results = append(results, describeRowSet(set))
	}
	return result{"results": results}, err
}

// Reads a cursor in batches, until one has no rows or there were enough of them.
func cursor(session session, command *command, next nextBatch) (result, error) {
	statement, err := command.statement()
	if err != nil {
		return nil, err
	}
	cursor, err := wharf.Check(session.Cursor(statement.Sql, statement.Params))
	if err != nil {
		return nil, err
	}
	defer cursor.Drop()
	columns := cursor.Columns()
	size := wharf.Optional(command.Batch).SomeOr(100)
	rows, batches := []any{}, []int{}
	for command.Batches == nil || len(batches) < *command.Batches {
		batch, err := next(cursor, columns, size)
		if err != nil {
			return nil, err
		}
		rows = append(rows, batch...)
		batches = append(batches, len(batch))
		if len(batch) == 0 {
			break
		}
	}
	return result{"columns": describeColumns(columns), "batches": batches, "rows": rows}, nil
}

type nextBatch func(cursor *pg.Cursor, columns []pg.Column, size uint32) ([]any, error)

func nextRows(cursor *pg.Cursor, _ []pg.Column, size uint32) ([]any, error) {
	rows, err := wharf.Check(cursor.Next(size))
	return describeRows(rows), err
}

// Writes the chunks, so often, then finishes or drops the writer.
func copyIn(session session, command *command) (result, error) {
	sql, err := command.sql()
	if err != nil {
		return nil, err
	}
	writer, err := wharf.Check(session.CopyIn(sql))
	if err != nil {
		return nil, err
	}
	defer writer.Drop()
	for range wharf.Optional(command.Repeat).SomeOr(1) {
		for _, chunk := range command.Chunks {
			if _, err := wharf.Check(writer.Write([]byte(chunk))); err != nil {
				return nil, err
			}
		}
	}
	if !wharf.Optional(command.Finish).SomeOr(true) {
		return result{"dropped": true}, nil
	}
	stored, err := wharf.Check(writer.Finish())
	return result{"stored": stored}, err
}

// Reads at most `max` bytes at a time, to the end or so often.
func copyOut(session session, command *command) (result, error) {
	sql, err := command.sql()
	if err != nil {
		return nil, err
	}
	reader, err := wharf.Check(session.CopyOut(sql))
	if err != nil {
		return nil, err
	}
	defer reader.Drop()
	content := contract.NewContent()
	for command.Reads == nil || content.Pieces < *command.Reads {
		piece, err := wharf.Check(reader.Read(wharf.Optional(command.Max).SomeOr(65_536)))
		if err != nil {
			return nil, err
		}
		if len(piece) == 0 {
			break
		}
		content.Add(piece)
	}
	return result{
		"bytes": content.Bytes,
		"fnv1a": content.Hash(),
		"reads": content.Pieces,
		"head":  content.Head(),
	}, nil
}
