package dragoman

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

func residentPages(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestCollectionsAreRareUnlessTheUserOrALimitSaysOtherwise(t *testing.T) {
	defer func() { ballast = nil }()
	t.Setenv("GOGC", "50")
	calm()
	if ballast != nil {
		t.Error("GOGC is the user's to set")
	}
	t.Setenv("GOGC", "")
	debug.SetMemoryLimit(64 << 20)
	defer debug.SetMemoryLimit(math.MaxInt64)
	calm()
	if ballast != nil {
		t.Error("a small memory limit leaves no room for garbage")
	}
	debug.SetMemoryLimit(math.MaxInt64)
	before := residentPages(t)
	calm()
	if len(ballast) != ballastBytes {
		t.Fatal("no ballast")
	}
	if grown := (residentPages(t) - before) * os.Getpagesize(); grown > ballastBytes/4 {
		t.Errorf("it takes %d bytes of memory", grown)
	}
}
