package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
)

// maxInput bounds a line of input: a paste may be a whole manifest by mistake.
const maxInput = 16 << 10

// input is a line that is edited.
type input struct {
	text []rune
	at   int
	// line is where it was arranged, from the first rune that is in sight there.
	line paint.Area
	from int
}

// inputMark stands before the text.
const inputMark = "> "

// arrange keeps the cursor in sight.
func (in *input) arrange(line paint.Area) {
	in.line = line
	in.from = scroll(in.from, line.W-len(inputMark), in.at, len(in.text)+1)
}

// click puts the cursor to the rune that was clicked, or behind the last one.
func (in *input) click(x, y int) {
	if in.line.Contains(x, y) {
		in.at = max(min(in.from+x-in.line.X-len(inputMark), len(in.text)), 0)
	}
}

func newInput(text string) input {
	in := input{}
	in.insert(text)
	return in
}

func (in *input) String() string { return string(in.text) }

func (in *input) insert(text string) {
	clean := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, text))
	if room := maxInput - len(in.text); len(clean) > room {
		clean = clean[:max(room, 0)]
	}
	rest := append(clean, in.text[in.at:]...)
	in.text = append(in.text[:in.at:in.at], rest...)
	in.at += len(clean)
}

// cut removes the runes between two places and leaves the cursor there.
func (in *input) cut(from, to int) {
	from, to = max(from, 0), min(to, len(in.text))
	if from < to {
		in.text = append(in.text[:from:from], in.text[to:]...)
		in.at = from
	}
}

// word is the beginning of the word before the cursor.
func (in *input) word() int {
	i := in.at
	for i > 0 && in.text[i-1] == ' ' {
		i--
	}
	for i > 0 && in.text[i-1] != ' ' {
		i--
	}
	return i
}

// key takes the keys of a shell's line.
func (in *input) key(k tea.KeyPressMsg) {
	switch k.String() {
	case "left", "ctrl+b":
		in.at = max(in.at-1, 0)
	case "right", "ctrl+f":
		in.at = min(in.at+1, len(in.text))
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.text)
	case "backspace", "ctrl+h":
		in.cut(in.at-1, in.at)
	case "delete", "ctrl+d":
		in.cut(in.at, in.at+1)
	case "ctrl+w", "alt+backspace":
		in.cut(in.word(), in.at)
	case "ctrl+u":
		in.cut(0, in.at)
	case "ctrl+k":
		at := in.at
		in.cut(at, len(in.text))
	default:
		in.insert(k.Text)
	}
}

// draw shows the part of the line around the cursor.
func (in *input) draw(a paint.Area) {
	x := a.Print(0, 0, inputMark, paint.Key, 0)
	text := append(in.text[:len(in.text):len(in.text)], ' ')
	for i := in.from; i < len(text) && x < a.W; i++ {
		attr := paint.Attr(0)
		if i == in.at {
			attr = paint.Reverse
		}
		a.Set(x, 0, text[i], paint.Text, attr)
		x++
	}
}
