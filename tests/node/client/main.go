// Command client is a workload: it puts an object into a bucket and gets it
// back, every second, with what a Secret put into its environment. It tells by
// HTTP how that went: /healthz whether the last round held, / all of it.
//
// Only the standard library, so that its image is built without any download.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// report is what / answers.
type report struct {
	Key    string `json:"key"`
	Rounds int    `json:"rounds"`
	Failed int    `json:"failed"`
	Last   string `json:"last"` // the last failure; empty while none is the newest
}

func main() {
	var mu sync.Mutex
	now := report{Key: os.Getenv("AWS_ACCESS_KEY_ID"), Last: "no round yet"}
	go func() {
		for count := 0; ; count++ {
			err := round(count)
			mu.Lock()
			now.Last = ""
			if err != nil {
				now.Failed++
				now.Last = err.Error()
				fmt.Println(err)
			} else {
				now.Rounds++
			}
			mu.Unlock()
			time.Sleep(time.Second)
		}
	}()
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if now.Last != "" {
			http.Error(answer, now.Last, http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(answer).Encode(now)
	})
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(1)
}

// round puts one object and expects to get the same.
func round(count int) error {
	want := fmt.Appendf(nil, "round %d of %s", count, os.Getenv("HOSTNAME"))
	if _, err := ask(http.MethodPut, want); err != nil {
		return err
	}
	got, err := ask(http.MethodGet, nil)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("put %q and got %q", want, got)
	}
	return err
}

// ask sends one request, signed as AWS Signature Version 4 says.
func ask(method string, body []byte) ([]byte, error) {
	at, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL_S3"))
	if err != nil {
		return nil, err
	}
	at.Path = "/" + os.Getenv("BUCKET_NAME") + "/" + os.Getenv("HOSTNAME")
	request, err := http.NewRequest(method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sign(request, at, body, time.Now().UTC())
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", method, answer.Status, text)
	}
	return text, err
}

func sign(request *http.Request, at *url.URL, body []byte, now time.Time) {
	digest := hash(body)
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	scope := day + "/" + os.Getenv("AWS_REGION") + "/s3/aws4_request"
	request.Header.Set("X-Amz-Date", stamp)
	request.Header.Set("X-Amz-Content-Sha256", digest)
	signed := "host;x-amz-content-sha256;x-amz-date"
	canonical := fmt.Sprintf("%s\n%s\n\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s",
		request.Method, at.EscapedPath(), at.Host, digest, stamp, signed, digest)
	key := []byte("AWS4" + os.Getenv("AWS_SECRET_ACCESS_KEY"))
	for _, part := range []string{day, os.Getenv("AWS_REGION"), "s3", "aws4_request"} {
		key = mac(key, part)
	}
	proof := mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hash([]byte(canonical)))
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		os.Getenv("AWS_ACCESS_KEY_ID"), scope, signed, proof))
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, data string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(data))
	return mac.Sum(nil)
}
