package main

import (
	"strings"
	"testing"
)

func TestAFigureIsSentForEachValue(t *testing.T) {
	figures, err := Figures(strings.NewReader("\"year\",\"quarter\",\"cpi\",\"pop\"\n1959,1,28.98,177.1\n1959,2,29.15,177.8\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 4 || figures[0] != (Figure{"cpi", "1959Q1", 28.98}) || figures[3] != (Figure{"pop", "1959Q2", 177.8}) {
		t.Fatal(figures)
	}
	messages := Messages(figures)
	if messages[3].Input != figures[3] || messages[3].Headers["correlation-id"] != "pop/1959Q2" {
		t.Fatal(messages)
	}
}

func TestAFileThatIsNoneIsTold(t *testing.T) {
	for text, want := range map[string]string{"": "no line of names", "year,quarter,cpi\n1959,1,dear\n": "line 2, cpi"} {
		if _, err := Figures(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatal(text, err)
		}
	}
}
