package record

import "slices"

// Add appends samples of a repetition, which counts from 0.
func (r *Result) Add(op Operation, repetition int, samples []float64) {
	s := r.find(op)
	for len(s.Repetitions) <= repetition {
		s.Repetitions = append(s.Repetitions, []float64{})
	}
	s.Repetitions[repetition] = append(s.Repetitions[repetition], samples...)
}

// find returns the series of an operation, which it puts in its place if need be.
func (r *Result) find(op Operation) *Series {
	order := Operations()
	rank := slices.Index(order, op)
	at := 0
	for at < len(r.Series) && slices.Index(order, r.Series[at].Operation) < rank {
		at++
	}
	if at == len(r.Series) || r.Series[at].Operation != op {
		r.Series = slices.Insert(r.Series, at, Series{Operation: op})
	}
	return &r.Series[at]
}

// Of returns the series of an operation, nil when there is none.
func (r *Result) Of(op Operation) *Series {
	for i := range r.Series {
		if r.Series[i].Operation == op {
			return &r.Series[i]
		}
	}
	return nil
}

// Clone returns a copy that shares no samples.
func (r *Result) Clone() Result {
	c := *r
	c.Series = slices.Clone(r.Series)
	for i := range c.Series {
		reps := make([][]float64, len(c.Series[i].Repetitions))
		for k, list := range c.Series[i].Repetitions {
			reps[k] = slices.Clone(list)
		}
		c.Series[i].Repetitions = reps
	}
	return c
}
