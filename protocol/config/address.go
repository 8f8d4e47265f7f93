package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// bracket writes a host as it stands before a colon: a v6 address in brackets.
func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// hostPort joins a host and a port.
func hostPort(host string, port int) string { return bracket(host) + ":" + strconv.Itoa(port) }

func parsePort(text string, low int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > 65535 {
		return 0, fmt.Errorf("%q is not a port (%d to 65535)", text, low)
	}
	return n, nil
}

// splitAddress takes host, host:port, [v6], [v6]:port or a bare v6 address apart; port is 0 when there is none.
func splitAddress(text string) (host string, port int, err error) {
	host = text
	rest := ""
	switch {
	case strings.HasPrefix(text, "["):
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return "", 0, fmt.Errorf("%q has no closing bracket", text)
		}
		if host, rest = text[1:end], text[end+1:]; !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("%q: brackets are for v6 addresses", text)
		}
		if rest != "" && rest[0] != ':' {
			return "", 0, fmt.Errorf("%q is not [address]:port", text)
		}
	case strings.Count(text, ":") == 1:
		at := strings.IndexByte(text, ':')
		host, rest = text[:at], text[at:]
	}
	if rest != "" {
		if port, err = parsePort(rest[1:], 1); err != nil {
			return "", 0, err
		}
	}
	return host, port, checkHost(host)
}

// checkHost accepts an address or something that can be a host name.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if host == "" || len(host) > 253 {
		return fmt.Errorf("%q is not a host name", host)
	}
	for _, label := range strings.Split(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return fmt.Errorf("%q is not a host name", host)
		}
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; strings.Trim(last, "0123456789") == "" && strings.Contains(host, ".") {
		return fmt.Errorf("%q is not an address", host) // 1.2.3 or 1.2.3.999
	}
	return nil
}

// unspecified says whether a host means "all addresses of this machine".
func unspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsUnspecified()
}

// ParsePeers reads "2@host:port,3@[v6]:port". The error quotes the entry at fault.
func ParsePeers(text string) ([]Peer, error) {
	var out []Peer
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for _, entry := range strings.Split(text, ",") {
		entry = strings.TrimSpace(entry)
		id, addr, ok := strings.Cut(entry, "@")
		n, err := strconv.ParseInt(id, 10, 32)
		if !ok || err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not ID@HOST:PORT", entry)
		}
		host, port, err := splitAddress(addr)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		if port == 0 {
			return nil, fmt.Errorf("%q has no port", entry)
		}
		if unspecified(host) {
			return nil, fmt.Errorf("%q: nobody can connect to %s", entry, host)
		}
		p := Peer{ID: int32(n), Addr: hostPort(host, port)}
		for _, o := range out {
			switch {
			case o.ID == p.ID:
				return nil, fmt.Errorf("%q: node %d is listed twice", entry, p.ID)
			case o.Addr == p.Addr:
				return nil, fmt.Errorf("%q: node %d has the same address", entry, o.ID)
			}
		}
		out = append(out, p)
	}
	return out, nil
}
