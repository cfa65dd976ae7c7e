// SPDX-License-Identifier: LGPL-2.1-or-later
// Joins standard input and output to an endpoint: wire ENDPOINT read_only|full. See docs/wire.md.
package main

import (
	"encoding/json"
	"log"
	"os"
	. "syscall"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// open asks for an endpoint, and believes nobody but root's socket and the user whose it is.
func open(broker int, owner uint32, parameters map[string]any) *os.File {
	maker := must(GetsockoptUcred(broker, SOL_SOCKET, SO_PEERCRED)).Uid
	call := map[string]any{"method": "org.doorward.Broker.Open", "more": true}
	call["parameters"] = parameters
	must(Write(broker, append(must(json.Marshal(call)), 0)))
	text, control, n, fd := make([]byte, 65536), make([]byte, 4096), 0, -1
	for sender := ^owner; n == 0 || text[n-1] != 0; sender = ^owner {
		k, m, _, _, err := Recvmsg(broker, text[n:], control, MSG_CMSG_CLOEXEC)
		for _, part := range must(ParseSocketControlMessage(control[:must(m, err)])) {
			if part.Header.Type == SCM_RIGHTS {
				fd = must(ParseUnixRights(&part))[0]
			} else {
				sender = must(ParseUnixCredentials(&part)).Uid
			}
		}
		if n += k; k == 0 || sender != owner || maker != 0 {
			log.Fatal("whoever answers is not the broker, or it is gone")
		}
	}
	var answer map[string]any
	must(0, json.Unmarshal(text[:n-1], &answer))
	said := answer["parameters"].(map[string]any)
	if said["nonce"] != nil && parameters["proof"] == nil { // before Linux 6.5
		parameters["proof"] = said["nonce"]
		return open(broker, owner, parameters)
	} else if answer["error"] != nil {
		log.Fatal(answer["error"], ": ", said["hint"])
	}
	return os.NewFile(uintptr(fd), "service")
}

func main() {
	path := "/run/doorward/org.doorward.Broker"
	owner := must(os.Stat(path)).Sys().(*Stat_t).Uid
	broker := must(Socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0)) // it holds the lease
	must(0, Connect(broker, &SockaddrUnix{Name: path}))
	must(0, SetsockoptInt(broker, SOL_SOCKET, SO_PASSCRED, 1)) // not before: it names sockets
	service := open(broker, owner, map[string]any{"endpoint": os.Args[1], "access": os.Args[2]})
	go func() { service.ReadFrom(os.Stdin); Shutdown(int(service.Fd()), SHUT_WR) }()
	os.Stdout.ReadFrom(service)
}
