package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// TestDraws draws a screen with colours, a selected word and what XML escapes.
func TestDraws(t *testing.T) {
	g := NewWithT(t)
	in := "\x1b[1;38;2;95;215;255mone two\x1b[0m   <a & b>\n\x1b[7mchosen\x1b[0m \x1b[4mdrift\x1b[0m\n"
	var out bytes.Buffer
	g.Expect(run([]string{"20", "2"}, strings.NewReader(in), &out)).To(Succeed())
	svg := out.String()
	g.Expect(svg).To(ContainSubstring(`<text x="8.0" y="21" fill="#5fd7ff" xml:space="preserve" textLength="58.8" font-weight="bold">one two</text>`))
	g.Expect(svg).To(ContainSubstring(`x="92.0" y="21" fill="#d0d0d0" xml:space="preserve" textLength="58.8">&lt;a &amp; b&gt;</text>`))
	g.Expect(svg).To(ContainSubstring(`<rect x="8.0" y="25" width="50.4" height="17" fill="#d0d0d0"/>`))
	g.Expect(svg).To(ContainSubstring(`fill="#1c1c1c" xml:space="preserve" textLength="50.4">chosen</text>`))
	g.Expect(svg).To(ContainSubstring(`text-decoration="underline">drift</text>`))
	for decoder := xml.NewDecoder(&out); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
	for _, args := range [][]string{nil, {"80"}, {"x", "24"}, {"0", "24"}} {
		g.Expect(run(args, strings.NewReader(""), io.Discard)).NotTo(Succeed())
	}
}
