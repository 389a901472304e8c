// Contract guest for `pg-listener`: writes down what it is called with, and fails when it is told to.
// `../../README.md` is the protocol.
package main

import (
	"errors"

	"contract"
	"contract/events"
	"wharf"
	exported "wharf/bindings/export_wharf_platform_pg_listener"
	pg "wharf/bindings/wharf_platform_pg_client"
	listener "wharf/bindings/wharf_platform_pg_listener"
)

func init() {
	wharf.Serve(answer)
	exported.Listening = func(database string, missed bool) exported.Result {
		return events.Outcome(events.Record(events.Event{"database": database, "missed": missed}))
	}
	exported.Notified = func(notification listener.Notification) exported.Result {
		return events.Outcome(notified(notification))
	}
}

func main() {}

func notified(notification listener.Notification) error {
	err := events.Record(events.Event{
		"database": notification.Database,
		"channel":  notification.Channel,
		"payload":  notification.Payload,
		"sender":   notification.Sender > 0,
	})
	if err != nil {
		return err
	}
	switch notification.Payload {
	case "error":
		return errors.New("asked to fail here")
	case "trap":
		panic("asked to trap here")
	case "loop":
		for {
		}
	}
	return nil
}

func answer(request *wharf.Request) (*wharf.Response, error) {
	switch request.Method + " " + request.Path {
	case "GET /events":
		all, err := events.All()
		if err != nil {
			return nil, err
		}
		return wharf.JSON(map[string]any{"events": all}), nil
	case "POST /notify":
		return notify(request)
	}
	return contract.NoSuchRoute()
}

func notify(request *wharf.Request) (*wharf.Response, error) {
	command := struct{ Channel, Payload string }{Channel: "contract_events"}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	database, err := wharf.Check(pg.DatabaseOpen("main"))
	if err != nil {
		return nil, err
	}
	defer database.Drop()
	if _, err := wharf.Check(database.Notify(command.Channel, command.Payload)); err != nil {
		return nil, err
	}
	return wharf.JSON(map[string]any{"notified": true}), nil
}
