package wharf

import (
	"fmt"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Failure is an error of the contract, such as `kv.Error`, as Go's.
type Failure[E any] struct {
	Contract E
}

func (failure Failure[E]) Error() string {
	return fmt.Sprintf("%T: %+v", failure.Contract, failure.Contract)
}

// Check makes Go's two results of the contract's one. The error is a [Failure].
func Check[T, E any](result wit.Result[T, E]) (T, error) {
	if result.IsErr() {
		var none T
		return none, Failure[E]{result.Err()}
	}
	return result.Ok(), nil
}

// Optional is the contract's option of what a pointer leads to, if anywhere.
func Optional[T any](pointer *T) wit.Option[T] {
	if pointer == nil {
		return wit.None[T]()
	}
	return wit.Some(*pointer)
}
