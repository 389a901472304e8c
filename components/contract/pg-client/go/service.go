// Contract guest for `pg-client`: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.
package main

import (
	"errors"

	"contract"
	"wharf"
	pg "wharf/bindings/wharf_platform_pg_client"
)

func init() { wharf.Serve(answer) }

func main() {}

// What a command answers, before it is JSON.
type result = map[string]any

func answer(request *wharf.Request) (*wharf.Response, error) {
	var answered result
	var err error
	switch request.Path {
	case "/retry":
		answered, err = retry(request)
	case "/transaction":
		answered, err = transaction(request)
	default:
		answered, err = outside(request)
	}
	var failure wharf.Failure[pg.Error]
	switch {
	case errors.As(err, &failure):
		return wharf.JSON(result{"error": describeError(failure.Contract)}), nil
	case err != nil:
		return nil, err
	case answered == nil:
		return contract.NoSuchRoute()
	}
	return wharf.JSON(answered), nil
}

// What needs no transaction.
func outside(request *wharf.Request) (result, error) {
	var command command
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	database, err := command.open()
	if err != nil {
		return nil, err
	}
	defer database.Drop()
	switch request.Path {
	case "/open":
		return result{"opened": true}, nil
	case "/prepare":
		return prepare(database, &command)
	case "/notify":
		_, err := wharf.Check(database.Notify(command.Channel, command.Payload))
		return result{"notified": true}, err
	}
	return run(database, request.Path[1:], &command)
}

func prepare(database *pg.Database, command *command) (result, error) {
	sql, err := command.sql()
	if err != nil {
		return nil, err
	}
	info, err := wharf.Check(database.Prepare(sql))
	return result{"params": info.Params, "columns": describeColumns(info.Columns)}, err
}

// Runs a list of statements in a serializable transaction, again after a collision.
func retry(request *wharf.Request) (result, error) {
	command := struct {
		SQL      []string
		Attempts int
	}{Attempts: 5}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	database, err := wharf.Check(pg.DatabaseOpen("main"))
	if err != nil {
		return nil, err
	}
	defer database.Drop()
	for attempt := 1; ; attempt++ {
		err := serializable(database, command.SQL)
		if err == nil {
			return result{"attempts": attempt}, nil
		}
		if !collided(err) || attempt >= command.Attempts {
			return nil, err
		}
	}
}

func serializable(database *pg.Database, statements []string) error {
	options := pg.TransactionOptions{Isolation: pg.IsolationSerializable}
	transaction, err := wharf.Check(database.Begin(options))
	if err != nil {
		return err
	}
	defer transaction.Drop()
	for _, sql := range statements {
		if _, err := wharf.Check(transaction.Execute(sql, nil)); err != nil {
			return err
		}
	}
	_, err = wharf.Check(transaction.Commit())
	return err
}

// Whether the server ended a transaction for the sake of another one.
func collided(err error) bool {
	var failure wharf.Failure[pg.Error]
	if !errors.As(err, &failure) || failure.Contract.Tag() != pg.ErrorDb {
		return false
	}
	state := failure.Contract.Db().Sqlstate
	return state == "40001" || state == "40P01"
}
