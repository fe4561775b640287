package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fieldvault/fieldvault/vault/api"
)

var (
	// ErrMasked means that a struct to be stored holds a mask or a hidden value
	// instead of a value: storing it would destroy what the mask stands for.
	ErrMasked = errors.New("client: a masked or hidden value cannot be stored")

	// ErrStruct means that a type cannot be a record: a tag or a Go type does not fit.
	ErrStruct = errors.New("client: the type is no record")

	// ErrAnswer means that the service's answer could not be understood: it is not
	// Fieldvault, of another version, or something stands in between.
	ErrAnswer = errors.New("client: the answer is not one of Fieldvault")
)

// An Error is a refusal by the service. Fields name which parts of the input are
// wrong, never by value.
type Error struct {
	api.Problem
	// Item is the place of the item in a batch, or -1 for the call as a whole.
	Item int
}

// Error gives code, detail and fields.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fieldvault: %s (%d)", e.Code, e.Status)
	if e.Item >= 0 {
		fmt.Fprintf(&b, " at item %d", e.Item)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Fields {
		b.WriteString("; " + f.Field + " " + f.Rule)
	}
	if e.RequestID != "" {
		b.WriteString(" [request " + e.RequestID + "]")
	}
	return b.String()
}

// IsCode reports whether err is a refusal with this code.
func IsCode(err error, code api.Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ItemError is the error of one item of a batch, or nil.
func ItemError(item int, o api.Outcome) error {
	if o.OK() {
		return nil
	}
	return &Error{Item: item, Problem: api.Problem{Status: o.Status, Code: o.Code, Fields: o.Errors}}
}
