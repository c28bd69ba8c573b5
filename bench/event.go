package bench

import (
	"time"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// The data that is measured; package record says what the fields mean.
type (
	Config      = record.Config
	Machine     = record.Machine
	Operation   = record.Operation
	Series      = record.Series
	Summary     = record.Summary
	Interval    = record.Interval
	Result      = record.Result
	Status      = record.Status
	Overhead    = record.Overhead
	Warning     = record.Warning
	Growth      = record.Growth
	Report      = record.Report
	Environment = record.Environment
	Storage     = record.Storage
)

// Operations are all operations, in the order in which they are shown.
func Operations() []Operation { return record.Operations() }

// Kind says what an Event tells.
type Kind string

// The kinds of events.
const (
	// Started says that a repetition of a configuration begins.
	Started Kind = "started"
	// Batch brings samples.
	Batch Kind = "batch"
	// Finished brings the result of a configuration.
	Finished Kind = "finished"
	// Warned brings a warning.
	Warned Kind = "warned"
)

// Event is one thing that happens in a Run.
type Event struct {
	Kind Kind
	// Index is the configuration's place in Plan.Configs, Total their number.
	Index, Total int
	Config       Config
	// Machine is the size of the configuration's machine.
	Machine Machine
	// Repetition counts from 0.
	Repetition, Repetitions int
	// Samples are new samples in nanoseconds, by operation (Batch).
	Samples map[Operation][]float64
	// Result is of the whole configuration (Finished).
	Result *Result
	// Warning is set with Warned.
	Warning *Warning
	// Elapsed is since the run began, Left what is estimated to remain.
	Elapsed, Left time.Duration
}

// The states of a Result.
const (
	StatusDone         = record.Done
	StatusDidNotFinish = record.DidNotFinish
	StatusRefused      = record.Refused
	StatusFailed       = record.Failed
	StatusInterrupted  = record.Interrupted
)

// The storages of a Config.
const (
	StorageMemory = record.Memory
	StorageDisk   = record.Disk
)

// Summarize describes samples, in nanoseconds, that come in repetitions.
func Summarize(repetitions [][]float64) (Summary, error) { return stats.Summarize(repetitions) }
