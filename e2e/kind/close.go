package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pinlab/pinlab/e2e/agent"
)

// Close ends what Open has made, or gives the node back as it was found. With
// failed the logs of the cluster are kept first.
func (k *Kind) Close(failed bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var errs []error
	if failed && (k.claim != nil || k.touched) {
		errs = append(errs, k.keepLogs())
	}
	if k.hold != nil {
		errs = append(errs, k.detach(ctx))
	}
	k.closeLink()
	if k.pods != nil {
		k.pods.close()
		k.pods = nil
	}
	if k.claim != nil {
		errs = append(errs, k.end())
	}
	k.claim, k.hold, k.sole, k.name, k.touched, k.put = nil, nil, nil, "", false, false
	return errors.Join(errs...)
}

// detach leaves a cluster of somebody's as it was found. Where that fails the
// next start tries again.
func (k *Kind) detach(ctx context.Context) error {
	var err error
	if k.touched {
		err = k.giveBack(ctx)
	}
	if k.put {
		err = errors.Join(err, k.takeBinary(ctx))
	}
	if err != nil {
		return errors.Join(err, k.hold.file.Close())
	}
	return k.hold.release(k.opts.Dir)
}

// end deletes the cluster that was made, or leaves it to the user.
func (k *Kind) end() error {
	if k.opts.Retain && k.there() {
		k.say("cluster %s is kept; 'kind export kubeconfig --name %s' leads kubectl to it, 'kind delete cluster --name %s' ends it", k.name, k.name, k.name)
		return k.claim.release(k.opts.Dir)
	}
	if err := k.provider.Delete(k.name, kubeconfigFile(k.opts.Dir, k.name)); err != nil {
		// The claim stays: the next start tries again.
		return errors.Join(fmt.Errorf("delete cluster %s: %w", k.name, explain(err)), k.claim.file.Close())
	}
	if k.unfinished {
		return k.claim.file.Close()
	}
	return k.claim.release(k.opts.Dir)
}

// there says that the cluster has a node, whatever state it is in.
func (k *Kind) there() bool {
	all, err := k.provider.ListNodes(k.name)
	return err == nil && len(all) > 0
}

// giveBack undoes what the agent has done to a node of somebody's.
func (k *Kind) giveBack(ctx context.Context) error {
	if k.link == nil || k.link.gone() {
		k.closeLink()
		if err := k.start(ctx); err != nil {
			return fmt.Errorf("give back node %s: %w", k.sole, err)
		}
	}
	var errs []error
	if k.pods == nil {
		watching, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		var err error
		if k.pods, err = watchPods(watching, k.client, k.sole.String()); err != nil {
			errs = append(errs, err) // the node is given back all the same
		}
	}
	if k.pods != nil {
		errs = append(errs, (&caller{k.link, k.pods}).Call(ctx, "Wipe", agent.None{}, &agent.None{}), k.pods.removeNamespaces(ctx))
	}
	errs = append(errs, k.link.Call(ctx, "GiveBack", agent.None{}, &agent.None{}))
	k.closeLink()
	return errors.Join(errs...)
}

// takeBinary takes pinlab out of the node again.
func (k *Kind) takeBinary(ctx context.Context) error {
	if err := k.sole.CommandContext(ctx, "rm", "-f", binaryInNode, binaryInNode+".part").Run(); err != nil {
		return fmt.Errorf("take pinlab out of node %s: %w", k.sole, explain(err))
	}
	return nil
}

// keepOutput keeps what the commands printed that failed while the cluster was
// made; what is told of it is only the end.
func (k *Kind) keepOutput(err error) {
	for _, run := range failed(err) {
		k.output += fmt.Sprintf("%s: %v\n%s\n", run.PrettyCommand(), run.Inner, run.Output)
	}
}

// outputFile is where the logs that are kept have that output.
const outputFile = "creation.log"

// keepLogs keeps what kind collects of a cluster. Where nothing can be collected
// there is nothing to keep.
func (k *Kind) keepLogs() error {
	if !k.there() {
		return nil
	}
	dir, err := os.MkdirTemp(k.opts.Dir, "logs-"+strings.TrimPrefix(k.name, namePrefix)+"-")
	if err != nil {
		return err
	}
	k.say("collecting the logs of cluster %s", k.name)
	if err := k.provider.CollectLogs(k.name, dir); err != nil {
		k.say("not all logs could be collected: %v", explain(err))
	}
	if k.output != "" {
		if err := os.WriteFile(filepath.Join(dir, outputFile), []byte(k.output), 0o644); err != nil {
			k.say("%v", err)
		}
	}
	if left, err := os.ReadDir(dir); err == nil && len(left) == 0 {
		return os.Remove(dir)
	}
	k.kept = dir
	k.say("the logs of cluster %s are in %s", k.name, dir)
	return nil
}
