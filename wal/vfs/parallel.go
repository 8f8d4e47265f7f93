package vfs

import "sync"

// maxParallel bounds the syncs that are under way at a time.
const maxParallel = 32

// parallel is what a file system implements whose syncs gain from company: those that run at the same time share one
// commit of its journal.
type parallel interface{ parallelSync() }

func (OS) parallelSync() {}

// SyncAll makes several files durable, and returns the first error.
func SyncAll(fsys FS, files []File) error {
	return each(fsys, len(files), func(i int) error { return files[i].Sync() })
}

// SyncDirs makes the entries of several directories durable, and returns the first error.
func SyncDirs(fsys FS, dirs []string) error {
	return each(fsys, len(dirs), func(i int) error { return fsys.SyncDir(dirs[i]) })
}

func each(fsys FS, n int, do func(i int) error) error {
	if _, ok := fsys.(parallel); !ok || n < 2 {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, n)
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = do(i)
			<-slots
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
