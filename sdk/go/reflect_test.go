package dragoman

import "reflect"

func typeFor[T any]() reflect.Type { return reflect.TypeFor[T]() }

func elem(pointer any) reflect.Value { return reflect.ValueOf(pointer).Elem() }
