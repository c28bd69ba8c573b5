package explain

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// amountText writes an amount with its unit: "14 CPUs", "30Gi", "2 vendor.com/nic".
func amountText(q Quantity) string {
	switch q.Resource {
	case cpuResource:
		return cpuText(int(q.Amount))
	case memoryResource:
		return bytesText(q.Amount) + " of memory"
	}
	return fmt.Sprintf("%d %s", q.Amount, q.Resource)
}

func cpuText(n int) string { return count(n, "CPU") }

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// bytesText writes bytes in the largest binary unit, cut to one decimal: what
// is free must not look larger than it is.
func bytesText(n int64) string {
	units := []string{"", "Ki", "Mi", "Gi", "Ti"}
	value, unit := n, 0
	rest := int64(0)
	for unit < len(units)-1 && value >= 1024 {
		rest = value % 1024
		value /= 1024
		unit++
	}
	text := strconv.FormatInt(value, 10)
	if tenth := rest * 10 / 1024; tenth > 0 {
		text += "." + strconv.FormatInt(tenth, 10)
	}
	return text + units[unit]
}

// missingText writes what is missing, which must not look smaller than it is.
func missingText(name string, n int64) string {
	if corev1.ResourceName(name) == corev1.ResourceMemory {
		unit := int64(1)
		for n/unit >= 1024 {
			unit *= 1024
		}
		n += unit/10 - min(unit/10, 1)
	}
	return plainAmount(name, n)
}

// plainAmount writes a line of the node's arithmetic.
func plainAmount(name string, n int64) string {
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU:
		if n%1000 == 0 {
			return cpuText(int(n / 1000))
		}
		return resource.NewMilliQuantity(n, resource.DecimalSI).String() + " CPU"
	case corev1.ResourceMemory:
		return bytesText(n)
	}
	return strconv.FormatInt(n, 10)
}

// listWords writes "a", "a and b", "a, b and c".
func listWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
