#!/usr/bin/env bash
# Makes the pictures anew, those of the explorer from real sessions in tmux:
#
#   make screenshots              # all
#   docs/img/make.sh bench        # one of explore, replay, bench, verify, plots
#   TARGET=lab docs/img/make.sh verify   # what a real kubelet's node shows
#
# OUT is where they go, else where they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath "${OUT:-docs/img}")
pinlab=$(realpath "${PINLAB:-bin/pinlab}")
columns=120 lines=36
work=$(mktemp -d)
server=pinlab-shots-$$
mux() { tmux -L "$server" -f /dev/null "$@"; }
trap 'mux kill-server 2>/dev/null || true; rm -rf "$work"' EXIT

go build -o "$work/screenshot" ./tui/screenshot

# show ARGS...: the explorer, in a directory of its own. The session outlives it, so
# that an error can be read.
show() {
	mux kill-session 2>/dev/null || true
	mux new-session -d -x "$columns" -y "$lines" -c "$work" \
		"TERM=tmux-256color COLORTERM=truecolor '$pinlab' tui --theme dark $*; sleep 60"
}

screen() { mux capture-pane -p; }

# wait_for TEXT: until it is on the screen.
wait_for() {
	for _ in $(seq 600); do
		if screen | grep -qF -- "$1"; then return; fi
		sleep 0.1
	done
	echo "make.sh: \"$1\" is not on the screen:" >&2
	screen >&2
	exit 1
}

press() { mux send-keys "$@"; }
type_in() { mux send-keys -l -- "$1"; }
take() { mux capture-pane -e -p | "$work/screenshot" "$columns" "$lines" >"$out/tui-$1.svg"; }

# pod LINE: added as a person would.
pod() {
	press a
	wait_for 'add a pod'
	press /
	type_in "$1"
	press Enter
	wait_for "create pod ${1%% *}"
}

explore() {
	show --profile xeon-2s24c-smt2
	wait_for 'start kubelet'
	pod 'db 16 4Gi'
	pod 'web 4 1Gi x2'
	press :
	wait_for 'a step, as'
	type_in 'createPod: {name: cache, initContainers: [{name: setup}], containers: [{name: app, cpu: 2, memory: 1Gi}]}'
	press Enter
	wait_for 'NOT PINNED, because'
	take explore
}

replay() {
	show unable-to-freeze
	wait_for 'step 1 of'
	press n
	wait_for 'agent/agent can run on'
	take replay
}

bench() {
	show --view bench --profile generic-2s4c-smt2
	wait_for 'enter measures it'
	press Enter
	wait_for 'repetition 6 of'
	take bench
}

verify() {
	"$pinlab" run --target "${TARGET:-sim}" -o json docs/img/drift.yaml >"$work/drift.json"
	show --report drift.json
	wait_for 'DRIFT'
	take verify
}

# What 'pinlab bench' draws.
plots() {
	"$pinlab" bench --profile xeon-2s24c-smt2 --topology-policy none --topology-policy single-numa-node \
		--fill empty --fill half --fill nearly-full --storage memory --operation admit \
		--repetitions 5 --time 200ms --svg-dir "$work/plots" >/dev/null
	cp "$work/plots/ecdf-admit.svg" "$out/bench-ecdf-admit.svg"
	cp "$work/plots/box-admit.svg" "$out/bench-box-admit.svg"
}

for view in "${@:-explore replay bench verify plots}"; do
	for name in $view; do "$name"; done
done
