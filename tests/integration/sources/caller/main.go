// A program that hosts a project to call its functions, and waits to be told to go.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/dragoman/dragoman/sdk/go"
)

func main() {
	ctx := context.Background()
	project, err := dragoman.Open(ctx, os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	pid, err := dragoman.Call[struct{}, int](ctx, project, os.Args[2], struct{}{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(pid)
	bufio.NewReader(os.Stdin).ReadString('\n')
	if err := project.Close(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
