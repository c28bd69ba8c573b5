package paint

// Role says what a cell means.
type Role uint8

// The roles.
const (
	Text Role = iota
	// Dim is what may be overlooked.
	Dim
	// Title heads a pane, Border parts two of them.
	Title
	Border
	// Focus is the title of the pane that takes the keys.
	Focus
	// Key is a key to press.
	Key
	Good
	Warn
	Bad
	// Shared, Reserved, Offline and Nobody are CPUs that no container has for
	// itself; Clash one that more have than should.
	Shared
	Reserved
	Offline
	Nobody
	Clash
	// Bar is the filled part of a bar.
	Bar
	// Owner is the first of Owners roles, one for each colour of an owner.
	Owner
)

// Owners is the number of colours for owners; the letters tell more apart.
const Owners = 12

// roles is the number of all roles.
const roles = int(Owner) + Owners

// OwnerRole is the role of the n-th owner.
func OwnerRole(n int) Role { return Owner + Role(n%Owners) }

// Attr is how a cell is set off, in every theme.
type Attr uint8

// The attributes, which may be combined.
const (
	Bold Attr = 1 << iota
	Underline
	// Reverse marks the cursor.
	Reverse
)

const attrs = 8
