package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/bench/plots"
	"github.com/pinlab/pinlab/bench/record"
)

// benchFiles are what a run leaves behind.
type benchFiles struct{ save, html, svgDir string }

// files checks, before anything is measured, that the files can be written and
// that nothing of another kind is lost.
func (f *benchFlags) files() (benchFiles, error) {
	out := benchFiles{f.save, f.html, f.svgDir}
	isReport := func(c []byte) bool { _, err := record.Parse(c, f.save); return err == nil }
	if f.save != "" {
		if err := record.Replaceable(f.save, "saved bench report", isReport); err != nil {
			return out, fmt.Errorf("--save: %w", err)
		}
	}
	if f.html != "" {
		if err := record.Replaceable(f.html, "bench report in HTML", plots.Mine); err != nil {
			return out, fmt.Errorf("--html: %w", err)
		}
	}
	if f.svgDir != "" {
		if err := os.MkdirAll(f.svgDir, 0o777); err != nil {
			return out, fmt.Errorf("--svg-dir: %w", err)
		}
		if err := record.Replaceable(filepath.Join(f.svgDir, "admit.svg"), "plot of a bench", plots.Mine); err != nil {
			return out, fmt.Errorf("--svg-dir: %w", err)
		}
	}
	return out, nil
}

// write writes them all; what fails does not keep the others from being written.
func (f benchFiles) write(r *bench.Report) error {
	var errs []error
	if f.save != "" {
		data, err := record.Marshal(r)
		if err == nil {
			err = record.Write(f.save, data)
		}
		errs = append(errs, err)
	}
	if f.html == "" && f.svgDir == "" {
		return errors.Join(errs...)
	}
	figures, err := plots.Draw(r)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if f.html != "" {
		var buf bytes.Buffer
		err := plots.HTML(&buf, r, figures)
		if err == nil {
			err = record.Write(f.html, buf.Bytes())
		}
		errs = append(errs, err)
	}
	if f.svgDir != "" {
		errs = append(errs, writeFigures(f.svgDir, figures))
	}
	return errors.Join(errs...)
}

func writeFigures(dir string, figures []plots.Figure) error {
	for _, fig := range figures {
		file := filepath.Join(dir, fig.Name+".svg")
		if err := record.Replaceable(file, "plot of a bench", plots.Mine); err != nil {
			return err
		}
		if err := record.Write(file, fig.SVG); err != nil {
			return err
		}
	}
	return nil
}
