package dragoman

import (
	"reflect"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func typeFor[T any]() reflect.Type { return reflect.TypeFor[T]() }

func elem(pointer any) reflect.Value { return reflect.ValueOf(pointer).Elem() }
