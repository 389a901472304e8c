package contract

import (
	"bytes"
	"encoding/hex"
)

// Item is one value to store: text, hexadecimal, or so many bytes of `x`.
type Item struct {
	Key        *string
	Value, Hex *string
	Size       *int
}

// Name is the item's key.
func (item Item) Name() (string, error) {
	if item.Key == nil {
		return "", Malformed("`key` is missing")
	}
	return *item.Key, nil
}

// Content is the item's value.
func (item Item) Content() ([]byte, error) {
	switch {
	case item.Value != nil:
		return []byte(*item.Value), nil
	case item.Hex != nil:
		value, err := hex.DecodeString(*item.Hex)
		if err != nil {
			return nil, Malformed("`hex` is not hexadecimal")
		}
		return value, nil
	case item.Size != nil && *item.Size >= 0:
		return bytes.Repeat([]byte("x"), *item.Size), nil
	}
	return nil, Malformed("`value`, `hex` or `size` is missing")
}
