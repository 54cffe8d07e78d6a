package kv

import "github.com/redis/go-redis/v9"

// go-redis under the name of this package: a program that imports this module in its place finds the same types, and errors that
// errors.Is and errors.As know.

// Clients, and what they are made with.
type (
	Client           = redis.Client
	ClusterClient    = redis.ClusterClient
	ClusterNode      = redis.ClusterNode
	ClusterOptions   = redis.ClusterOptions
	Conn             = redis.Conn
	ConsistentHash   = redis.ConsistentHash
	FailoverOptions  = redis.FailoverOptions
	Limiter          = redis.Limiter
	Options          = redis.Options
	PoolStats        = redis.PoolStats
	Ring             = redis.Ring
	RingOptions      = redis.RingOptions
	SentinelClient   = redis.SentinelClient
	UniversalClient  = redis.UniversalClient
	UniversalOptions = redis.UniversalOptions
)

// What commands are sent with.
type (
	Cmdable             = redis.Cmdable
	Cmder               = redis.Cmder
	DialHook            = redis.DialHook
	Hook                = redis.Hook
	Pipeline            = redis.Pipeline
	Pipeliner           = redis.Pipeliner
	ProcessHook         = redis.ProcessHook
	ProcessPipelineHook = redis.ProcessPipelineHook
	Script              = redis.Script
	Scripter            = redis.Scripter
	StatefulCmdable     = redis.StatefulCmdable
	Tx                  = redis.Tx
)

// Subscriptions.
type (
	ChannelOption = redis.ChannelOption
	Message       = redis.Message
	Pong          = redis.Pong
	PubSub        = redis.PubSub
	Subscription  = redis.Subscription
)

// Arguments.
type (
	BitCount               = redis.BitCount
	FilterBy               = redis.FilterBy
	FunctionListQuery      = redis.FunctionListQuery
	GeoLocation            = redis.GeoLocation
	GeoRadiusQuery         = redis.GeoRadiusQuery
	GeoSearchLocationQuery = redis.GeoSearchLocationQuery
	GeoSearchQuery         = redis.GeoSearchQuery
	GeoSearchStoreQuery    = redis.GeoSearchStoreQuery
	HExpireArgs            = redis.HExpireArgs
	LCSQuery               = redis.LCSQuery
	LPosArgs               = redis.LPosArgs
	SetArgs                = redis.SetArgs
	Sort                   = redis.Sort
	XAddArgs               = redis.XAddArgs
	XAutoClaimArgs         = redis.XAutoClaimArgs
	XClaimArgs             = redis.XClaimArgs
	XPendingExtArgs        = redis.XPendingExtArgs
	XReadArgs              = redis.XReadArgs
	XReadGroupArgs         = redis.XReadGroupArgs
	Z                      = redis.Z
	ZAddArgs               = redis.ZAddArgs
	ZRangeArgs             = redis.ZRangeArgs
	ZRangeBy               = redis.ZRangeBy
	ZStore                 = redis.ZStore
	ZWithKey               = redis.ZWithKey
)

// Replies.
type (
	BoolCmd               = redis.BoolCmd
	BoolSliceCmd          = redis.BoolSliceCmd
	ClientInfo            = redis.ClientInfo
	ClientInfoCmd         = redis.ClientInfoCmd
	Cmd                   = redis.Cmd
	CommandInfo           = redis.CommandInfo
	CommandsInfoCmd       = redis.CommandsInfoCmd
	DurationCmd           = redis.DurationCmd
	Error                 = redis.Error
	FloatCmd              = redis.FloatCmd
	FloatSliceCmd         = redis.FloatSliceCmd
	GeoLocationCmd        = redis.GeoLocationCmd
	GeoPos                = redis.GeoPos
	GeoPosCmd             = redis.GeoPosCmd
	InfoCmd               = redis.InfoCmd
	IntCmd                = redis.IntCmd
	IntSliceCmd           = redis.IntSliceCmd
	KeyValue              = redis.KeyValue
	KeyValueSliceCmd      = redis.KeyValueSliceCmd
	LCSMatch              = redis.LCSMatch
	MapStringIntCmd       = redis.MapStringIntCmd
	MapStringInterfaceCmd = redis.MapStringInterfaceCmd
	MapStringStringCmd    = redis.MapStringStringCmd
	RankScore             = redis.RankScore
	ScanCmd               = redis.ScanCmd
	ScanIterator          = redis.ScanIterator
	SliceCmd              = redis.SliceCmd
	SlowLog               = redis.SlowLog
	StatusCmd             = redis.StatusCmd
	StringCmd             = redis.StringCmd
	StringSliceCmd        = redis.StringSliceCmd
	StringStructMapCmd    = redis.StringStructMapCmd
	TimeCmd               = redis.TimeCmd
	XInfoGroup            = redis.XInfoGroup
	XInfoStream           = redis.XInfoStream
	XMessage              = redis.XMessage
	XMessageSliceCmd      = redis.XMessageSliceCmd
	XPending              = redis.XPending
	XPendingExt           = redis.XPendingExt
	XStream               = redis.XStream
	XStreamSliceCmd       = redis.XStreamSliceCmd
	ZSliceCmd             = redis.ZSliceCmd
	ZWithKeyCmd           = redis.ZWithKeyCmd
)

// What go-redis answers and is asked for by these names.
const (
	KeepTTL     = redis.KeepTTL
	Nil         = redis.Nil
	TxFailedErr = redis.TxFailedErr
)

// ErrClosed is what a client that was closed answers.
var ErrClosed = redis.ErrClosed

// Clients of explicit options, as go-redis makes them: nothing is read from the environment.
var (
	NewClient                = redis.NewClient
	NewClusterClient         = redis.NewClusterClient
	NewFailoverClient        = redis.NewFailoverClient
	NewFailoverClusterClient = redis.NewFailoverClusterClient
	NewRing                  = redis.NewRing
	NewScript                = redis.NewScript
	NewSentinelClient        = redis.NewSentinelClient
	NewUniversalClient       = redis.NewUniversalClient
	HasErrorPrefix           = redis.HasErrorPrefix
	SetLogger                = redis.SetLogger
)
