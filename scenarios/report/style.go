package report

import "github.com/pinlab/pinlab/scenarios/report/screen"

// Styles of CPU maps.
const (
	alarm   screen.Style = "1;37;41"
	offline screen.Style = "90"
)

// ownerStyles colour the owners of CPUs in turn. They are chosen to be told
// apart on dark and on light ground; red is kept for what is wrong.
func ownerStyles() []screen.Style {
	return []screen.Style{"1;34", "1;35", "1;36", "1;32", "38;5;208", "38;5;99", "38;5;30", "38;5;170", "38;5;64", "38;5;33"}
}
