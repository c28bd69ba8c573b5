package machine

import (
	"bytes"
	"encoding/binary"
)

// MADT is the ACPI table that lists the CPUs, in the order in which the kernel
// shall number them; nil where QEMU's own table has that order. QEMU numbers the
// siblings of a core one after the other, servers mostly do not. The kernel
// takes the table from its initramfs in place of QEMU's (CONFIG_ACPI_TABLE_UPGRADE,
// Documentation/admin-guide/acpi/initrd_table_override.rst): same OEM, higher
// revision.
func (p *Plan) MADT() []byte {
	if p.inOrder() {
		return nil
	}
	var body bytes.Buffer
	put := func(v any) { _ = binary.Write(&body, binary.LittleEndian, v) } // a Buffer does not fail
	put(uint32(0xfee00000))                                                // local APIC
	put(uint32(1))                                                         // there are two 8259s too
	for _, slot := range p.Slot {
		put([]uint8{0, 8, uint8(slot), uint8(p.APICID(slot))})
		put(uint32(1)) // enabled
	}
	put([]uint8{1, 12, 0, 0}) // the I/O APIC
	put(uint32(0xfec00000))
	put(uint32(0))
	override := func(source uint8, line uint32, flags uint16) {
		put([]uint8{2, 10, 0, source})
		put(line)
		put(flags)
	}
	override(0, 2, 0)
	for _, irq := range []uint8{5, 9, 10, 11} { // PCI's: level, active high
		override(irq, uint32(irq), 0xd)
	}
	put([]uint8{4, 6, 0xff, 0, 0, 1}) // NMI on LINT1 of every CPU

	var table bytes.Buffer
	table.WriteString("APIC")
	length := make([]byte, 4)
	binary.LittleEndian.PutUint32(length, uint32(36+body.Len()))
	table.Write(length)
	table.Write([]byte{1, 0})         // revision, checksum
	table.WriteString("BOCHS BXPC  ") // the OEM and table of QEMU
	table.WriteString("  ")
	table.Write([]byte{2, 0, 0, 0}) // QEMU's own revision is 1
	table.WriteString("BXPC")
	table.Write([]byte{1, 0, 0, 0})
	table.Write(body.Bytes())
	out := table.Bytes()
	sum := uint8(0)
	for _, b := range out {
		sum += b
	}
	out[9] = -sum
	return out
}
