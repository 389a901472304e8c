package main

import (
	"fmt"

	"contract"
	"wharf"
	pg "wharf/bindings/wharf_platform_pg_client"
)

// A command, or a step of a transaction: it has the members of all of them.
type command struct {
	Database *string
	Timeout  *uint32 `json:"timeout_ms"`

	SQL        *string
	Params     []value
	Statements []command

	Batch   *uint32
	Batches *int

	Chunks []string
	Repeat *int
	Finish *bool

	Max   *uint32
	Reads *int

	Channel, Payload string

	Isolation          string
	ReadOnly           bool `json:"read_only"`
	Deferrable         bool
	TransactionTimeout *uint32 `json:"transaction_timeout_ms"`

	Steps []command
	Op    string
	Depth *int
}

// Opens the database with its time limit, if there is one.
func (command *command) open() (*pg.Database, error) {
	database, err := wharf.Check(pg.DatabaseOpen(wharf.Optional(command.Database).SomeOr("main")))
	if err == nil && command.Timeout != nil {
		database.SetTimeout(*command.Timeout)
	}
	return database, err
}

func (command *command) sql() (string, error) {
	if command.SQL == nil {
		return "", contract.Malformed("`sql` is missing")
	}
	return *command.SQL, nil
}

func (command *command) statement() (pg.Statement, error) {
	sql, err := command.sql()
	if err != nil {
		return pg.Statement{}, err
	}
	params, err := contract.Mapped(command.Params, value.parse)
	return pg.Statement{Sql: sql, Params: params}, err
}

func (all *command) statements() ([]pg.Statement, error) {
	return contract.Mapped(all.Statements, func(each command) (pg.Statement, error) { return each.statement() })
}

func (command *command) options() (pg.TransactionOptions, error) {
	levels := map[string]pg.Isolation{
		"":                pg.IsolationServerDefault,
		"server-default":  pg.IsolationServerDefault,
		"read-committed":  pg.IsolationReadCommitted,
		"repeatable-read": pg.IsolationRepeatableRead,
		"serializable":    pg.IsolationSerializable,
	}
	isolation, ok := levels[command.Isolation]
	if !ok {
		return pg.TransactionOptions{}, contract.Malformed(fmt.Sprintf("no isolation level `%s`", command.Isolation))
	}
	return pg.TransactionOptions{
		Isolation:  isolation,
		ReadOnly:   command.ReadOnly,
		Deferrable: command.Deferrable,
		TimeoutMs:  wharf.Optional(command.TransactionTimeout),
	}, nil
}
