package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// bootModules are the kernel modules without which a machine finds neither its
// disks nor pinlab, and those that containers need.
func bootModules() []string { return []string{"virtio_pci", "virtio_blk", "virtio_console", "overlay"} }

// initScript is the first process: it loads the modules, mounts the disks and
// hands over.
const initScript = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for m in $(/bin/busybox cat /modules); do /bin/busybox insmod /lib/$m || echo "pinlab: insmod $m failed"; done
n=0
while [ ! -b /dev/vdb ] && [ $n -lt 300 ]; do n=$((n+1)); /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root || echo "pinlab: cannot mount the root disk"
/bin/busybox mount -t ext4 -o ro /dev/vdb /root/pinlab || echo "pinlab: cannot mount the disk with pinlab"
/bin/busybox mount -t devtmpfs dev /root/dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
`

// takeKernel finds the kernel that a package has unpacked, and its release.
func takeKernel(root string) (kernel, release string, err error) {
	found, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil {
		return "", "", err
	}
	if len(found) != 1 {
		return "", "", fmt.Errorf("%d kernels in the kernel package, want one", len(found))
	}
	return found[0], strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-"), nil
}

// writeInitrd writes the initramfs: busybox, the boot modules and the script.
func writeInitrd(root, release, file string) error {
	modules, err := moduleOrder(root, release, bootModules())
	if err != nil {
		return err
	}
	var archive []cpioFile
	for _, dir := range []string{"bin", "lib", "proc", "dev", "root"} {
		archive = append(archive, cpioFile{name: dir, mode: cpio.TypeDir | 0o755})
	}
	busybox, err := os.ReadFile(filepath.Join(root, "bin/busybox"))
	if err != nil {
		return err
	}
	archive = append(archive,
		cpioFile{name: "bin/busybox", mode: cpio.TypeReg | 0o755, data: busybox},
		cpioFile{name: "bin/sh", mode: cpio.TypeSymlink | 0o777, data: []byte("busybox")},
		cpioFile{name: "init", mode: cpio.TypeReg | 0o755, data: []byte(initScript)},
	)
	var names []string
	for _, m := range modules {
		data, err := os.ReadFile(m)
		if err != nil {
			return err
		}
		names = append(names, filepath.Base(m))
		archive = append(archive, cpioFile{name: "lib/" + filepath.Base(m), mode: cpio.TypeReg | 0o644, data: data})
	}
	archive = append(archive, cpioFile{name: "modules", mode: cpio.TypeReg | 0o644, data: []byte(strings.Join(names, "\n") + "\n")})
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(writeArchive(f, archive), f.Close())
}

type cpioFile struct {
	name string
	mode cpio.FileMode
	data []byte
}

func writeArchive(f *os.File, files []cpioFile) error {
	w := cpio.NewWriter(f)
	for _, c := range files {
		h := &cpio.Header{Name: c.name, Mode: c.mode, Size: int64(len(c.data))}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(c.data); err != nil {
			return err
		}
	}
	return w.Close()
}

// moduleOrder lists the files of the modules and of all they depend on, each
// after what it depends on. A module that the kernel has built in is left out.
func moduleOrder(root, release string, names []string) ([]string, error) {
	base := filepath.Join(root, "lib/modules", release)
	files := map[string]string{} // by module name
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, ok := strings.CutSuffix(d.Name(), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(base, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	var order []string
	var add func(name string) error
	add = func(name string) error {
		file := files[name]
		if file == "" {
			if strings.Contains(strings.ReplaceAll(string(builtin), "-", "_"), "/"+name+".ko") {
				return nil
			}
			return fmt.Errorf("the kernel %s has no module %s", release, name)
		}
		if slices.Contains(order, file) {
			return nil
		}
		deps, err := dependsOn(file)
		if err != nil {
			return err
		}
		for _, d := range deps {
			if err := add(d); err != nil {
				return err
			}
		}
		order = append(order, file)
		return nil
	}
	for _, n := range names {
		if err := add(moduleName(n)); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleName is a module's name as the kernel writes it in dependencies.
func moduleName(file string) string { return strings.ReplaceAll(file, "-", "_") }

// dependsOn reads a module's own word on what it needs, the depends field of
// its .modinfo section.
func dependsOn(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s: no .modinfo section", file)
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, field := range strings.Split(string(data), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
