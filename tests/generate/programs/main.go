// Calls every function of shop.py through the generated client, and prints "done".
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"reflect"
	"time"

	"github.com/dragoman/dragoman/sdk/go"

	"calls/shop"
	"calls/wide"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("got %#v, not %#v", got, want))
	}
}

func numbers(yield func(int64, error) bool) {
	for n := range int64(4) {
		if !yield(n, nil) {
			return
		}
	}
}

func everything() shop.Everything {
	inner := shop.CircleOrSquare(shop.Circle{Radius: 2})
	none := (*int64)(nil)
	next := &shop.Node{Value: 3, Children: []shop.Node{}}
	return shop.Everything{
		Big: math.MinInt64, Small: 255, Wide: math.MaxInt64, Ratio: 0.1, Text: "größe \u0000 😀 e\u0301", Flag: true, Blob: []byte{0, 255},
		Moment: time.Date(2026, 1, 31, 23, 59, 59, 123456000, time.UTC), Day: dragoman.Date{Year: 2026, Month: 1, Day: 31},
		Clock: dragoman.TimeOfDay(time.Hour + time.Microsecond), Span: -90 * time.Second, Price: "12.50", ID: dragoman.UUID{1, 15: 255},
		Colour: shop.Colour("*/ \"\"\" ' ` ${x} \\u000a \n {} 😀"), Level: shop.LevelMinus1,
		Shape:  shop.Square{Side: 1, Inner: shop.Pointer(&inner), Seal: []byte{1}},
		Shapes: []shop.CircleOrSquare{}, Pair: []any{int64(1), "a"}, Twice: [2]int64{1, 2}, Counts: map[string]int64{"": 1},
		Tree:     shop.Node{Value: 1, Children: []shop.Node{{Value: 2, Children: []shop.Node{}, Next: &next}}},
		Nullable: nil, Mixed: "x", Anything: []any{int64(1), nil}, Type: "t", Both: &none,
	}
}

func main() {
	ctx := context.Background()
	client, err := dragoman.Dial(ctx, os.Args[1])
	check(err)
	defer client.Close()
	calls := shop.NewShopClient(client).Shop

	given := everything()
	got, err := calls.Echo(ctx, given)
	check(err)
	given.Moment, got.Moment = time.Time{}, got.Moment.Add(-got.Moment.Sub(given.Moment))
	got.Moment = time.Time{}
	expect(got, given)

	odd := shop.Odd{Class: 1, Class2: 2, Groe: "x", HashCode: 4, HashCode2: 5, X1St: 6, Value: 7, RefX: 8, ToString: 9, Tick: 10, ItS: 11, Proto: shop.Pointer(int64(12))}
	same, err := calls.Odd(ctx, odd)
	check(err)
	expect(same, odd)
	worse := shop.Worse{"quo\"te": int64(1), "back\\slash": int64(2), "com,ma": int64(3), "*/": int64(4), "new\nline": int64(5), "": int64(6)}
	twin, err := calls.Worse(ctx, worse)
	check(err)
	expect(twin, worse)

	n, err := calls.Double(ctx, shop.ShopDoubleInput{Number: 21})
	check(err)
	expect(n, int64(42))
	if _, err := calls.Double(ctx, shop.ShopDoubleInput{Number: math.MaxInt64}); !errors.Is(err, dragoman.DataLoss) {
		panic(err)
	}
	huge, err := wide.NewShopClient(client).Shop.Double(ctx, wide.ShopDoubleInput{Number: *new(big.Int).Lsh(big.NewInt(1), 70)})
	check(err)
	expect(huge.String(), "2361183241434822606848")
	area, err := calls.Area(ctx, shop.ShopAreaInput{Shape: shop.Circle{Radius: 2}, Scale: shop.Pointer(0.5)})
	check(err)
	expect(area, 6.0)
	found, err := calls.Find(ctx, shop.ShopFindInput{})
	check(err)
	expect(found, (*string)(nil))
	data, err := calls.Blob(ctx, shop.ShopBlobInput{Data: []byte("abc")})
	check(err)
	expect(bytes.Equal(data, []byte("cba")), true)
	check(calls.Nothing(ctx))
	if err := calls.Fail(ctx, shop.ShopFailInput{Detail: "no such thing"}); !errors.Is(err, dragoman.NotFound) {
		panic(err)
	}

	var items []int64
	for n, err := range calls.Count(ctx, shop.ShopCountInput{Upto: 3}) {
		check(err)
		items = append(items, n)
	}
	expect(items, []int64{0, 1, 2})
	sum, err := calls.Total(ctx, shop.ShopTotalInput{Numbers: numbers, Start: shop.Pointer(int64(1))})
	check(err)
	expect(sum, int64(7))
	items = nil
	for n, err := range calls.Doubled(ctx, shop.ShopDoubledInput{Numbers: numbers}) {
		check(err)
		items = append(items, n)
	}
	expect(items, []int64{0, 2, 4, 6})
	fmt.Println("done")
}
