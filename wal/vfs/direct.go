package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direct returns a file whose WriteV goes to the device past the page cache, where the system can (O_DIRECT); else f itself.
// What is written once and read back soon from memory, or never, gains by it: no page is allocated and filled for it (a fifth
// of the broker's CPU time in a profile of a busy producer), and no later sync finds a heap of dirty pages. Reads, and
// everything else than WriteV, go through the page cache as before; the kernel keeps the two views the same. align is what
// every write's place is a multiple of, 1 when it may be anywhere; a device that wants more of such a file is not written to
// directly. Of a file that is written anywhere a write is the end: up to the next block's beginning what was behind it is lost,
// and it may be longer than its content, by less than a page, until it is closed.
func Direct(fsys FS, f File, name string, align int64) File {
	d, ok := fsys.(director)
	if !ok {
		return f
	}
	return d.direct(f, name, align)
}

// director is a file system that can write past the page cache.
type director interface {
	direct(f File, name string, align int64) File
}

// stagingSize is how much one direct write takes at most, in bytes.
const stagingSize = 1 << 20

func (OS) direct(f File, name string, align int64) File {
	o, ok := f.(*osFile)
	if !ok {
		return f
	}
	var st unix.Statx_t
	if err := unix.Statx(int(o.f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st); err != nil || st.Mask&unix.STATX_DIOALIGN == 0 {
		return f
	}
	block := int64(st.Dio_offset_align)
	if block == 0 || st.Dio_mem_align > pageSize || stagingSize%block != 0 || align > 1 && align%block != 0 {
		return f
	}
	d, err := os.OpenFile(name, os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return f
	}
	return &directFile{osFile: o, d: d, block: block}
}

const pageSize = 4096

// directFile writes through a staging buffer that begins and ends on blocks of the device. Of the last block that was not full
// it keeps the content, which is written again in front of what follows: a crash in the middle of that leaves each sector as
// it was or as it is to be, and the old content is in both.
type directFile struct {
	*osFile
	d     *os.File
	block int64
	last  []byte // content of the unfinished block before end
	end   int64  // where the last write ended
	long  bool   // the file is longer than end
}

// staging buffers begin on a page; a few are in use at a time, one for each file that is being written.
var staging = sync.Pool{New: func() any {
	raw := make([]byte, stagingSize+pageSize)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))) & (pageSize - 1)
	b := raw[skip : skip+stagingSize : skip+stagingSize]
	return &b
}}

// WriteV implements File.
func (f *directFile) WriteV(parts [][]byte, off int64) error {
	pooled := staging.Get().(*[]byte)
	defer staging.Put(pooled)
	buf := *pooled
	at := off / f.block * f.block // where the buffer's beginning goes
	fill := int(off - at)
	switch {
	case fill == 0:
	case off == f.end:
		copy(buf, f.last)
	default:
		if n, err := f.osFile.ReadAt(buf[:fill], at); n < fill {
			return fmt.Errorf("reading the block before %d of %s: %w", off, f.f.Name(), err)
		}
	}
	for _, p := range parts {
		for len(p) > 0 {
			n := copy(buf[fill:], p)
			p, fill = p[n:], fill+n
			if fill == len(buf) {
				if err := f.write(buf, at); err != nil {
					return err
				}
				at, fill = at+int64(fill), 0
			}
		}
	}
	full := int64(fill) / f.block * f.block
	padded := (int64(fill) + f.block - 1) / f.block * f.block
	clear(buf[fill:padded])
	if err := f.write(buf[:padded], at); err != nil {
		return err
	}
	f.end, f.long = at+int64(fill), padded > int64(fill)
	f.last = append(f.last[:0], buf[full:fill]...)
	return nil
}

func (f *directFile) write(b []byte, at int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(int(f.d.Fd()), b, at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("direct pwrite %s: %w", f.f.Name(), err)
		}
		if n == 0 {
			return fmt.Errorf("direct pwrite %s: %w", f.f.Name(), io.ErrShortWrite)
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// Close implements File: what was written behind the content to fill a block goes.
func (f *directFile) Close() error {
	var first error
	if f.long {
		first = f.osFile.Truncate(f.end)
	}
	for _, c := range []io.Closer{f.d, f.osFile} {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
