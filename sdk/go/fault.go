package dragoman

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// Code is why a call failed: one of gRPC's status codes. It is an error itself, so that
// errors.Is(err, dragoman.NotFound) asks for it.
type Code string

// The codes of faults.
const (
	Cancelled          Code = "CANCELLED"
	Unknown            Code = "UNKNOWN"
	InvalidArgument    Code = "INVALID_ARGUMENT"
	DeadlineExceeded   Code = "DEADLINE_EXCEEDED"
	NotFound           Code = "NOT_FOUND"
	AlreadyExists      Code = "ALREADY_EXISTS"
	PermissionDenied   Code = "PERMISSION_DENIED"
	ResourceExhausted  Code = "RESOURCE_EXHAUSTED"
	FailedPrecondition Code = "FAILED_PRECONDITION"
	Aborted            Code = "ABORTED"
	OutOfRange         Code = "OUT_OF_RANGE"
	Unimplemented      Code = "UNIMPLEMENTED"
	Internal           Code = "INTERNAL"
	Unavailable        Code = "UNAVAILABLE"
	DataLoss           Code = "DATA_LOSS"
	Unauthenticated    Code = "UNAUTHENTICATED"
)

func (c Code) Error() string { return string(c) }

// Started answers the first question of anyone who sees a fault: whether the function had begun.
type Started string

// What is known about the begin of a call that failed.
const (
	StartedNo      Started = "no" // it never ran: retry freely
	StartedYes     Started = "yes"
	StartedUnknown Started = "unknown"
)

// Breach is one way in which a value breaks its contract. Path is a JSON Pointer into it.
type Breach struct {
	Path    string
	Message string
}

// Fault is a call that failed. A function returns one to choose the code; other errors are UNKNOWN.
type Fault struct {
	Code    Code
	Detail  string
	Started Started
	Errors  []Breach
	// RetryAfter is when a retry makes sense; 0 where nothing is said.
	RetryAfter time.Duration
	// Traceback goes to the log of the host, and to callers of one that debugs.
	Traceback string
	// Function is the full name of what was called, where it is known.
	Function string

	cause error
}

// Errorf makes a fault; %w keeps an error for errors.Is and errors.As.
func Errorf(code Code, format string, args ...any) *Fault {
	err := fmt.Errorf(format, args...)
	return &Fault{Code: code, Detail: err.Error(), Started: StartedUnknown, cause: errors.Unwrap(err)}
}

// WithBreach adds a breach to the fault and returns it.
func (f *Fault) WithBreach(path, message string) *Fault {
	f.Errors = append(f.Errors, Breach{path, message})
	return f
}

func (f *Fault) Error() string {
	if f.Detail == "" {
		return string(f.Code)
	}
	return string(f.Code) + ": " + f.Detail
}

// Unwrap is the error that the fault was made of.
func (f *Fault) Unwrap() error { return f.cause }

// Is says whether the fault has a code, or is what a context ends with.
func (f *Fault) Is(target error) bool {
	switch target {
	case context.Canceled:
		return f.Code == Cancelled
	case context.DeadlineExceeded:
		return f.Code == DeadlineExceeded
	}
	code, ok := target.(Code)
	return ok && code == f.Code
}

func (f *Fault) body() wire.FaultBody {
	body := wire.FaultBody{
		Code: string(f.Code), Detail: f.Detail, Started: string(f.Started), Traceback: f.Traceback,
	}
	for _, breach := range f.Errors {
		body.Errors = append(body.Errors, wire.Breach(breach))
	}
	if f.RetryAfter > 0 {
		seconds := f.RetryAfter.Seconds()
		body.RetryAfterS = &seconds
	}
	return body
}

// readFault is the fault that a frame carries.
func readFault(body []byte, function string) *Fault {
	read, fault := wire.ReadFault(body)
	if fault != nil {
		return &Fault{Code: Internal, Detail: fault.Error(), Started: StartedUnknown, Function: function}
	}
	f := &Fault{
		Code: Code(read.Code), Detail: read.Detail, Started: Started(read.Started), Traceback: read.Traceback, Function: function,
	}
	for _, breach := range read.Errors {
		f.Errors = append(f.Errors, Breach(breach))
	}
	if read.RetryAfterS != nil && *read.RetryAfterS > 0 && *read.RetryAfterS < 1e9 {
		f.RetryAfter = time.Duration(*read.RetryAfterS * float64(time.Second))
	}
	return f
}

func unstarted(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Detail: fmt.Sprintf(format, args...), Started: StartedNo}
}

// faultOf is the fault for an error that a function returned.
func faultOf(err error, ctx context.Context) *Fault {
	var fault *Fault
	if errors.As(err, &fault) && fault != nil {
		said := *fault
		if error(fault) != err {
			said.Detail = err.Error()
		}
		said.Started = StartedYes
		return &said
	}
	var code Code
	detail := describe(err)
	switch {
	case errors.As(err, &code):
		return &Fault{Code: code, Detail: detail, Started: StartedYes}
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Fault{Code: DeadlineExceeded, Detail: running(ctx) + " ran past its deadline", Started: StartedYes}
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return &Fault{Code: Cancelled, Detail: "the call was cancelled", Started: StartedYes}
	}
	return &Fault{Code: Unknown, Detail: detail, Started: StartedYes}
}

// running is the name of the function whose call this is.
func running(ctx context.Context) string {
	if c, ok := ctx.(*call); ok && c.function != nil {
		return c.function.name
	}
	return "the function"
}

// describe is type and message of an error; types that say nothing (errors.New, fmt.Errorf) are left out.
func describe(err error) string {
	name := fmt.Sprintf("%T", err)
	switch rt := reflect.TypeOf(err); {
	case rt.Kind() == reflect.Pointer && rt.Elem().PkgPath() == "errors", rt.Kind() == reflect.Pointer && rt.Elem().PkgPath() == "fmt":
		return err.Error()
	}
	return name + ": " + err.Error()
}

// refused is the fault of a call whose input is not what its contract says.
func refused(function string, err error) *Fault {
	fault := unstarted(InvalidArgument, "the input of %s breaks its contract: %v", function, err)
	var refused *value.Refused
	if errors.As(err, &refused) {
		for _, breach := range refused.Breaches {
			fault.Errors = append(fault.Errors, Breach(breach))
		}
	}
	return fault
}

// refusedItem is the fault of a call of which one value of the input stream is not what its contract says.
func refusedItem(function, stream string, at int, err error) *Fault {
	place := fmt.Sprintf("/%s/%d", stream, at)
	fault := &Fault{
		Code: InvalidArgument, Detail: fmt.Sprintf("the input of %s breaks its contract: %s %v", function, place, err), Started: StartedYes,
	}
	var refused *value.Refused
	if errors.As(err, &refused) {
		for _, breach := range refused.Breaches {
			fault.Errors = append(fault.Errors, Breach{place + breach.Path, breach.Message})
		}
	}
	return fault
}
