//go:build e2e

package fpm

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"galley/cluster/clusterlab"
	"galley/config"
	"galley/proxy/web/fcgi"
)

// BenchmarkReal runs scripts of some sizes on a real php-fpm, through a pool and by bare connections.
func BenchmarkReal(b *testing.B) {
	for _, unix := range []bool{false, true} {
		f, err := clusterlab.StartFPM(b.Context(), clusterlab.FPMOptions{Workers: 8, Unix: unix})
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		script, err := f.Script("page.php", `<?php echo str_repeat("0123456789", $_SERVER['TENS']);`)
		if err != nil {
			b.Fatal(err)
		}
		c := config.DefaultFPMPool()
		c.Name, c.StatusPath, c.Backends = "php", clusterlab.FPMStatusPath, []config.FPMBackend{{Address: f.Addr(), Weight: 1}}
		p, err := New(Options{Config: c})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { _ = p.Run(ctx); close(done) }()
		for !p.allUp() {
			time.Sleep(time.Millisecond)
		}
		for _, size := range []int{10, 60_000, 1 << 20} {
			params := []fcgi.Param{{Name: "SCRIPT_FILENAME", Value: script}, {Name: "REQUEST_METHOD", Value: "GET"}, {Name: "TENS", Value: strconv.Itoa(size / 10)}}
			for range 20 {
				params = append(params, fcgi.Param{Name: "HTTP_X_" + strconv.Itoa(len(params)), Value: strings.Repeat("v", 20)})
			}
			for _, clients := range []int{1, 32} {
				b.Run(fmt.Sprintf("unix=%v/size=%d/clients=%d/pool", unix, size, clients), func(b *testing.B) {
					b.SetParallelism(max(clients/2, 1))
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							resp, err := p.Do(context.Background(), &Request{Params: params, Repeatable: true})
							if err != nil {
								b.Error(err)
								return
							}
							if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(size/10*10) {
								b.Error(n, err)
								return
							}
						}
					})
				})
			}
			b.Run(fmt.Sprintf("unix=%v/size=%d/bare", unix, size), func(b *testing.B) {
				network, dial := split(f.Addr())
				for b.Loop() {
					nc, err := net.Dial(network, dial) //nolint:noctx // measured bare
					if err != nil {
						b.Fatal(err)
					}
					conn := fcgi.NewConn(nc, &p.buffers)
					if _, _, err := conn.RoundTrip(&fcgi.Request{Params: params, Timeout: time.Minute}); err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, conn); err != nil {
						b.Fatal(err)
					}
					_ = conn.Close()
				}
			})
		}
		cancel()
		<-done
	}
}
