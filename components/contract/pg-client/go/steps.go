package main

import (
	"errors"
	"fmt"
	"slices"

	"contract"
	"wharf"
	pg "wharf/bindings/wharf_platform_pg_client"
)

// A transaction and its savepoints, outermost first.
type stack struct {
	database *pg.Database
	open     []*pg.Transaction
}

// Handles that are never dropped: the collector would, if nothing referred to them.
var leaked []*pg.Transaction

// Runs the steps; each answers with its own result or error, and the next one runs all the same. What is still open at the
// end is dropped, innermost first.
func transaction(request *wharf.Request) (result, error) {
	var command command
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	options, err := command.options()
	if err != nil {
		return nil, err
	}
	database, err := command.open()
	if err != nil {
		return nil, err
	}
	defer database.Drop()
	outermost, err := wharf.Check(database.Begin(options))
	if err != nil {
		return nil, err
	}
	stack := stack{database, []*pg.Transaction{outermost}}
	defer stack.drop()
	results := make([]result, 0, len(command.Steps))
	for _, step := range command.Steps {
		answered, err := stack.run(&step)
		var failure wharf.Failure[pg.Error]
		switch {
		case errors.As(err, &failure):
			answered = result{"error": describeError(failure.Contract)}
		case err != nil:
			return nil, err
		}
		results = append(results, answered)
	}
	return result{"results": results}, nil
}

func (stack *stack) run(step *command) (result, error) {
	switch step.Op {
	case "outside":
		return query(stack.database, step)
	case "trap":
		panic("asked to trap here")
	case "loop":
		for {
		}
	}
	depth := len(stack.open) - 1
	if step.Depth != nil {
		depth = *step.Depth
	}
	if depth < 0 || depth >= len(stack.open) {
		return nil, contract.Malformed(fmt.Sprintf("nothing is open at depth %d", depth))
	}
	transaction := stack.open[depth]
	switch step.Op {
	case "savepoint":
		savepoint, err := wharf.Check(transaction.Savepoint())
		if err != nil {
			return nil, err
		}
		stack.open = append(stack.open, savepoint)
		return result{"opened": len(stack.open)}, nil
	case "commit":
		_, err := wharf.Check(transaction.Commit())
		return result{"committed": true}, err
	case "rollback":
		_, err := wharf.Check(transaction.Rollback())
		return result{"rolled_back": true}, err
	case "drop":
		stack.open = slices.Delete(stack.open, depth, depth+1)
		transaction.Drop()
		return result{"dropped": true}, nil
	case "leak":
		stack.open = slices.Delete(stack.open, depth, depth+1)
		leaked = append(leaked, transaction)
		return result{"leaked": true}, nil
	}
	answered, err := run(transaction, step.Op, step)
	if answered == nil && err == nil {
		return nil, contract.Malformed(fmt.Sprintf("no step `%s`", step.Op))
	}
	return answered, err
}

func (stack *stack) drop() {
	for _, transaction := range slices.Backward(stack.open) {
		transaction.Drop()
	}
}
