package lab

import (
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// probeSector is a boot sector that writes K to the debug console and halts:
// mov dx, 0xe9; mov al, 'K'; out dx, al; cli; hlt.
func probeSector() []byte {
	sector := make([]byte, 512)
	copy(sector, []byte{0xba, 0xe9, 0x00, 0xb0, 'K', 0xee, 0xfa, 0xf4})
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// probeTime is how long a machine may take to run eight instructions.
const probeTime = 10 * time.Second

// accelerator says how QEMU can run a machine here: "kvm" when a machine really
// ran under it, else "tcg", with the reason. /dev/kvm may be there, and open,
// and yet no machine runs.
func accelerator(ctx context.Context, qemu string) (accel, why string) {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return "tcg", "this machine has no /dev/kvm"
	}
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		return "tcg", err.Error()
	} else if err := f.Close(); err != nil {
		return "tcg", err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	disk, err := tempFile(probeSector())
	if err != nil {
		return "tcg", err.Error()
	}
	defer disk.Close()
	cmd := exec.CommandContext(ctx, qemu, "-accel", "kvm", "-cpu", "host", "-m", "16", "-display", "none", "-nodefaults",
		"-drive", "file=/proc/self/fd/3,format=raw,if=ide,snapshot=on", "-debugcon", "stdio", "-monitor", "none")
	cmd.ExtraFiles = []*os.File{disk}
	cmd.SysProcAttr = dieWithParent()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "tcg", err.Error()
	}
	if err := cmd.Start(); err != nil {
		return "tcg", err.Error()
	}
	defer func() { cancel(); _ = cmd.Wait() }() // killed
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(out, one); err != nil {
			return "tcg", "/dev/kvm is there, but a machine under it ran no instruction"
		}
		if one[0] == 'K' {
			return "kvm", ""
		}
	}
}
