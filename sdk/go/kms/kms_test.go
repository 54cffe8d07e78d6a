package kms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/internal/fakekms"
	"github.com/hanzokv/go/v9/kms"
	"github.com/hanzokv/go/v9/logs"
)

var secrets = []string{"client-secret", "wrong-secret", "token-1", "first", "second", "mine"}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
}

// walk takes the steps of a case.
func walk(t *testing.T, server *fakekms.Server, each fakekms.Case, now *time.Time,
	ask func() (string, error), refused func(string) (bool, error)) {
	t.Helper()
	for _, step := range each.Steps {
		if step.State != nil {
			server.Patch(step.State)
		}
		*now = now.Add(time.Duration(step.Seconds * float64(time.Second)))
		if step.Refused != "" {
			if another, err := refused(step.Refused); err != nil || another != step.Another {
				t.Errorf("refused: %v, %v", another, err)
			}
		}
		if step.Password == "" && step.Error == "" {
			continue
		}
		password, err := ask()
		if step.Error == "" && err != nil || password != step.Password {
			t.Errorf("password %q, %v; not %q", password, err, step.Password)
		}
		var known *kms.Error
		if step.Error != "" && (!errors.As(err, &known) || err.Error() != step.Error) {
			t.Errorf("error %v, not %s", err, step.Error)
		}
		noSecret(t, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
	if seen := server.Requests(); !reflect.DeepEqual(seen, append([]string{}, each.Requests...)) {
		t.Errorf("requests %v, not %v", seen, each.Requests)
	}
}

func open(t *testing.T, server *fakekms.Server, each fakekms.Case) *kms.Client {
	t.Helper()
	server.Put(each.State)
	place, err := config.KMSFromEnv(func(name string) string {
		if value, said := each.Env[name]; said || name != "HANZO_KMS_URL" {
			return value
		}
		return server.URL
	})
	if err != nil || place == nil {
		t.Fatal(err)
	}
	return kms.New(*place)
}

func TestCases(t *testing.T) {
	server := fakekms.Start(t)
	table := fakekms.Cases(t)
	var lines bytes.Buffer
	logs.To(&lines, logs.Options{Service: "tests", Debug: true})
	defer logs.To(nil, logs.Options{})
	for _, each := range table.KMS {
		each := each
		t.Run(each.Name, func(t *testing.T) {
			now := time.Unix(1e6, 0)
			client := open(t, server, each)
			client.Now = func() time.Time { return now }
			walk(t, server, each, &now, func() (string, error) { return client.Password(context.Background()) }, nil)
			noSecret(t, fmt.Sprintf("%v %+v %#v", client, client, client))
		})
	}
	for _, each := range table.Credentials {
		each := each
		t.Run("credentials: "+each.Name, func(t *testing.T) {
			now := time.Unix(1e6, 0)
			credentials := kms.NewCredentials("", open(t, server, each).Password)
			credentials.Now = func() time.Time { return now }
			ask := func() (string, error) {
				_, password, err := credentials.Get(context.Background())
				return password, err
			}
			walk(t, server, each, &now, ask, func(password string) (bool, error) {
				return credentials.Refused(context.Background(), password)
			})
			noSecret(t, fmt.Sprintf("%v %+v %#v", credentials, credentials, credentials))
		})
	}
	noSecret(t, lines.String())
	if !strings.Contains(lines.String(), `"db.system":"redis"`) {
		t.Errorf("logged: %s", lines.String())
	}
}
