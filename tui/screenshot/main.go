// Command screenshot draws what a terminal shows as a picture: it reads the screen
// as "tmux capture-pane -e -p" prints it, and writes SVG.
//
//	tmux capture-pane -e -p | go run ./tui/screenshot 120 36 > screen.svg
//
// See docs/img/make.sh.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"html"
	"image/color"
	"io"
	"os"
	"strconv"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(2)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("want the columns and lines of the screen, and light for a light terminal")
	}
	w, errW := strconv.Atoi(args[0])
	h, errH := strconv.Atoi(args[1])
	if errW != nil || errH != nil || w < 1 || h < 1 || w > 1000 || h > 500 {
		return fmt.Errorf("%s × %s: want columns and lines", args[0], args[1])
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	look := dark()
	if len(args) > 2 && args[2] == "light" {
		look = light()
	}
	e := vt.NewEmulator(w, h)
	screen := strings.TrimRight(string(text), "\n")
	if _, err := e.WriteString(strings.ReplaceAll(screen, "\n", "\r\n")); err != nil {
		return err
	}
	buf := bufio.NewWriter(out)
	look.draw(buf, w, h, e.CellAt)
	return buf.Flush()
}

// look is what a terminal shows where nothing says otherwise.
type look struct{ text, back string }

func dark() look { return look{"#d0d0d0", "#1c1c1c"} }

func light() look { return look{"#1c1c1c", "#ffffff"} }

// The size of a cell, for the font below.
const (
	cellWidth, cellHeight = 8.4, 17
	edge, baseline        = 8, 13
	fonts                 = "DejaVu Sans Mono,Menlo,Consolas,monospace"
)

func (l look) draw(w io.Writer, width, height int, at func(x, y int) *uv.Cell) {
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" font-family="%[3]s" font-size="14"><rect width="100%%" height="100%%" rx="6" fill="%[4]s"/>`+"\n",
		int(float64(width)*cellWidth)+2*edge, height*cellHeight+2*edge, fonts, l.back)
	for y := range height {
		for x := 0; x < width; {
			first := x
			style := styleOf(at(x, y))
			var text strings.Builder
			for ; x < width && styleOf(at(x, y)) == style; x++ {
				content := " "
				if c := at(x, y); c != nil && c.Content != "" {
					content = c.Content
				}
				text.WriteString(content)
			}
			l.words(w, first, y, text.String(), style)
		}
	}
	fmt.Fprintln(w, "</svg>")
}

// style is that of a cell, to be compared.
type style struct {
	text, back                string
	bold, reverse, underlined bool
}

func styleOf(c *uv.Cell) style {
	if c == nil {
		return style{}
	}
	return style{
		text: hex(c.Style.Fg), back: hex(c.Style.Bg), bold: c.Style.Attrs&uv.AttrBold != 0,
		reverse: c.Style.Attrs&uv.AttrReverse != 0, underlined: c.Style.Underline != 0,
	}
}

func hex(c color.Color) string {
	if c == nil {
		return ""
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

// words draws cells of one style. Runs of spaces part them, so that a font of
// another width does not shift what follows.
func (l look) words(w io.Writer, x, y int, text string, s style) {
	front, back := s.text, s.back
	if front == "" {
		front = l.text
	}
	if s.reverse {
		if back == "" {
			back = l.back
		}
		front, back = back, front
	}
	left := func(column int) float64 { return edge + float64(column)*cellWidth }
	if back != "" {
		fmt.Fprintf(w, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
			left(x), edge+y*cellHeight, float64(len([]rune(text)))*cellWidth, cellHeight, back)
	}
	extra := ""
	if s.bold {
		extra += ` font-weight="bold"`
	}
	if s.underlined {
		extra += ` text-decoration="underline"`
	}
	runes := []rune(text)
	for i := 0; i < len(runes); {
		if runes[i] == ' ' {
			i++
			continue
		}
		first := i
		for i < len(runes) && (runes[i] != ' ' || i+1 < len(runes) && runes[i+1] != ' ') {
			i++
		}
		word := string(runes[first:i])
		fmt.Fprintf(w, `<text x="%.1f" y="%d" fill="%s" xml:space="preserve" textLength="%.1f"%s>%s</text>`+"\n",
			left(x+first), edge+y*cellHeight+baseline, front, float64(i-first)*cellWidth, extra, html.EscapeString(word))
	}
}
