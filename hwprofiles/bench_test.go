package hwprofiles

import "testing"

func BenchmarkLoad1024(b *testing.B) {
	for b.Loop() {
		if _, err := Load("generic-1024"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMachineInfo1024(b *testing.B) {
	p, err := Load("generic-1024")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.MachineInfo(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDetect1024(b *testing.B) {
	p, err := Load("generic-1024")
	if err != nil {
		b.Fatal(err)
	}
	fsys := newMemFS(p)
	for b.Loop() {
		if _, err := Detect(fsys); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal1024(b *testing.B) {
	p, err := Load("generic-1024")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.MarshalProfile(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReport1024(b *testing.B) {
	p, err := Load("generic-1024")
	if err != nil {
		b.Fatal(err)
	}
	mi, err := p.MachineInfo()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		NewReport(p, mi)
	}
}
