// Package bench measures how long the kubelet's real CPU, topology and memory
// managers take: to admit a pod (hints, merge, allocate, checkpoint), to collect
// one that is gone, for a reconcile tick, and for a restart on a populated state
// file.
//
// A Plan lists configurations. Run measures each in child processes of its own
// and tells what happens as it happens:
//
//	plan, err := bench.NewPlan(bench.Request{Profiles: []string{"xeon-2s24c-smt2"}, Fills: []string{"half"}})
//	if err != nil {
//		return err // bad input: says which field, and what would be right
//	}
//	plan.Command = func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, "bench-worker") }
//	report, err := bench.Run(ctx, plan, func(e bench.Event) {
//		switch e.Kind {
//		case bench.Started: // e.Config, repetition e.Repetition of e.Repetitions begins
//		case bench.Batch: // e.Samples: nanoseconds by operation, new ones only
//		case bench.Finished: // e.Result: all samples of e.Config, summarized
//		}
//	})
//
// Events come from one goroutine, in order, and hold copies: a receiver may keep
// them or send them on through a channel. A slow receiver slows the run down, but
// does not spoil what is measured, since the children measure in bursts of their
// own. Configurations take turns: every repetition of one is followed by the same
// repetition of the next, so Started comes once for each repetition, Finished once
// for each configuration, after its last repetition or as soon as it did not
// finish in time.
//
// All times are nanoseconds as float64 unless a name says otherwise. Nothing in
// the data depends on a terminal; summaries of samples seen so far are made by
// Summarize.
package bench
