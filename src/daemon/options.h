// Every option of heraldd, once. From this table grow the flags, the keys of herald.conf, --help,
// --print-config, the checks, what SIGHUP may change, and the unit tests.
#pragma once

// Sections group --help and, as decoration, herald.conf: a key stands in its section or before the first.
#define OPTION_SECTIONS(X)                                                                                   \
    X(SERVER, "server", "Server")                                                                            \
    X(STREAM, "stream", "Stream and tree")                                                                   \
    X(LIMITS, "limits", "Limits")                                                                            \
    X(REEL, "reel", "Memory")                                                                                \
    X(HASH, "hash", "Password hashing")                                                                      \
    X(LOG, "log", "Log")

// type, what --help calls a value of it
#define OPTION_TYPES(X)                                                                                      \
    X(TEXT, "TEXT")         /* char[]: one line of UTF-8 */                                                  \
    X(PATH, "PATH")         /* char[] */                                                                     \
    X(HOST, "HOST")         /* char[]: a name or numeric address, without a port */                          \
    X(SECRET, "SECRET")     /* char[]: never shown */                                                        \
    X(ADDRESS, "HOST:PORT") /* struct address: numeric, port 0 allowed; where `also` says so, none */        \
    X(TARGETS, "HOST:PORT") /* struct settings_target[]: repeatable, comma-separated */                      \
    X(SIZE, "SIZE")         /* bytes */                                                                      \
    X(DURATION, "TIME")     /* milliseconds */                                                               \
    X(COUNT, "N")                                                                                            \
    X(CHOICE, "WORD") /* an enum; the words stand in its order. Of "no|yes" the flag alone means yes */

// key (the flag has `-` for `_`), type, field of struct config, default, least, most, also, what SIGHUP does,
// section, help. Values are texts in the user's own notation. Of a CHOICE, `least` lists the words; of TEXT,
// HOST and SECRET, `least` and `most` are bytes. A default of NULL is computed (config_defaults). `also` is a
// value outside least..most that means something of its own, told in the help.
#define OPTIONS(X)                                                                                           \
    X(data, PATH, data, NULL, "1", "4000", NULL, RESTART, SERVER, "directory of the roll")                   \
    X(name, TEXT, name, NULL, "1", "64", NULL, RESTART, SERVER, "this server's name in the log")             \
    X(listen, ADDRESS, stream.listen, "127.0.0.1:3780", NULL, NULL, NULL, RESTART, SERVER,                   \
      "where clients and servers connect; port 0: any free one")                                             \
    X(http, ADDRESS, gateway.listen, "auto", NULL, NULL, "auto|off", RESTART, SERVER,                        \
      "where the HTTP API is; auto: 127.0.0.1 and the port after listen's")                                  \
    X(registration, CHOICE, gateway.registration, "open", "open|admin", NULL, NULL, RELOAD, SERVER,          \
      "who may create accounts over HTTP")                                                                   \
    X(directory, CHOICE, gateway.directory, "public", "public|authenticated|admin", NULL, NULL, RELOAD,      \
      SERVER, "who may look up accounts, settings and changes")                                              \
    X(advertise, HOST, stream.advertise, "", "0", "255", NULL, RESTART, SERVER,                              \
      "host that others are told to connect to; empty: that of listen")                                      \
    X(secret, SECRET, stream.secret, "", "1", "256", NULL, RELOAD, SERVER,                                   \
      "the server secret, shared by all servers of a tree")                                                  \
    X(secret_file, PATH, secret_file, "", "0", "4000", NULL, RELOAD, SERVER,                                 \
      "file that holds the server secret; mode 0600")                                                        \
    X(connect, TARGETS, stream.connect, "", NULL, NULL, NULL, RELOAD, SERVER,                                \
      "parent in the tree; more of them are fallbacks")                                                      \
    X(tls, CHOICE, tls, "off", "off|auto|file", NULL, NULL, RESTART, SERVER,                                 \
      "TLS for clients; auto: with a certificate of its own making")                                         \
    X(tls_certificate, PATH, tls_certificate, "", "0", "4000", NULL, RELOAD, SERVER,                         \
      "file of the certificate, and those that vouch for it (PEM)")                                          \
    X(tls_key, PATH, tls_key, "", "0", "4000", NULL, RELOAD, SERVER, "file of its key (PEM); mode 0600")     \
    X(plaintext, CHOICE, plaintext, "no", "no|yes", NULL, NULL, RESTART, SERVER,                             \
      "whether clients of other machines may do without TLS")                                                \
    X(announce_interval, DURATION, stream.announce_interval_ms, "5s", "100ms", "1h", NULL, RELOAD, STREAM,   \
      "how often servers tell each other of themselves")                                                     \
    X(register_timeout, DURATION, stream.register_timeout_ms, "10s", "100ms", "10m", NULL, RELOAD, STREAM,   \
      "how long a registration waits for other servers")                                                     \
    X(lock_window, DURATION, stream.lock_window_ms, "60s", "1s", "1h", NULL, RELOAD, STREAM,                 \
      "how long another server may take back a registration")                                                \
    X(lock_allowed_server, CHOICE, stream.lock_allowed_server, "auto", "auto|yes|no", NULL, NULL, RELOAD,    \
      STREAM, "whether LOCK_ALLOWED carries \"server\"; auto: where the peer does so")                       \
    X(drain_timeout, DURATION, stream.drain_ms, "5s", "0", "10m", NULL, RELOAD, STREAM,                      \
      "how long clients may take what is pending at the stop")                                               \
    X(shards, COUNT, stream.shards, "0", "1", "256", "0", RESTART, STREAM,                                   \
      "threads that serve clients; 0: one for each core but one")                                            \
    X(max_message, SIZE, stream.max_message, "1MiB", "1KiB", "64MiB", NULL, RESTART, LIMITS,                 \
      "longest line that is accepted")                                                                       \
    X(max_depth, COUNT, stream.max_depth, "64", "4", "1000", NULL, RESTART, LIMITS,                          \
      "deepest nesting of JSON that is accepted")                                                            \
    X(max_connections, COUNT, stream.max_connections, "0", "1", "10000000", "0", RELOAD, LIMITS,             \
      "connections at a time; 0: as many as open files allow")                                               \
    X(connections_per_address, COUNT, stream.connections_per_address, "4096", "0", "10000000", NULL, RELOAD, \
      LIMITS, "connections at a time from one address; 0: no limit")                                         \
    X(first_message_timeout, DURATION, stream.first_message_timeout_ms, "10s", "100ms", "1h", NULL, RELOAD,  \
      LIMITS, "how long a connection may take to send its first line")                                       \
    X(http_request_timeout, DURATION, gateway.request_timeout_ms, "30s", "100ms", "1h", NULL, RELOAD,        \
      LIMITS, "how long an HTTP request may take to arrive")                                                 \
    X(http_idle_timeout, DURATION, gateway.idle_timeout_ms, "60s", "100ms", "1h", NULL, RELOAD, LIMITS,      \
      "how long an HTTP connection may do nothing")                                                          \
    X(publish_limit, SIZE, stream.publish_limit, "0", "64KiB", "1GiB", "0", RELOAD, LIMITS,                  \
      "a client's bytes/s times listeners; 0: no limit")                                                     \
    X(registers_per_minute, COUNT, stream.registers_per_minute, "60", "0", "1000000", NULL, RELOAD, LIMITS,  \
      "registrations from one address; 0: no limit")                                                         \
    X(login_failures, COUNT, stream.login_failures, "5", "1", "1000000", NULL, RELOAD, LIMITS,               \
      "failed logins of a name from one address before delays")                                              \
    X(login_delay, DURATION, stream.login_delay_ms, "1s", "0", "1h", NULL, RELOAD, LIMITS,                   \
      "the first delay; doubles with each further failure")                                                  \
    X(login_delay_max, DURATION, stream.login_delay_max_ms, "30s", "0", "1h", NULL, RELOAD, LIMITS,          \
      "the longest delay; at least login_delay")                                                             \
    X(reel_segments, COUNT, stream.reel_segments, "64", "4", "65536", NULL, RESTART, REEL,                   \
      "segments of the ring that holds the latest activities")                                               \
    X(reel_segment_size, SIZE, stream.reel_segment_size, "0", "4KiB", "1GiB", "0", RESTART, REEL,            \
      "bytes of each; 0: what max_message needs, 1MiB or more")                                              \
    X(account_cache, SIZE, account_cache, "256MiB", "64KiB", "1024GiB", "0", RESTART, REEL,                  \
      "memory for accounts found by login; 0: none")                                                         \
    X(hash_threads, COUNT, stream.hash_threads, "0", "1", "256", "0", RESTART, HASH,                         \
      "threads that hash passwords; 0: one for every two cores")                                             \
    X(hash_queue, COUNT, stream.hash_queue, "4096", "1", "1000000", NULL, RESTART, HASH,                     \
      "logins and registrations that may wait for them")                                                     \
    X(verified_ttl, DURATION, stream.verified_ms, "60s", "0", "1h", NULL, RELOAD, HASH,                      \
      "how long a verified secret need not be hashed again")                                                 \
    X(verified_entries, COUNT, stream.verified_entries, "4096", "0", "1000000", NULL, RESTART, HASH,         \
      "how many verified secrets are remembered")                                                            \
    X(log_level, CHOICE, log_level, "info", "error|warn|info|debug", NULL, NULL, RELOAD, LOG,                \
      "the least important lines that are written")                                                          \
    X(log_format, CHOICE, log_format, "text", "text|json", NULL, NULL, RELOAD, LOG,                          \
      "key=value, or one JSON object a line")

// Flags with no key of their own: flag, the word for its value (NULL: none), what it means, help (NULL:
// another form of the one that has it). The one-letter pairs are those of the 2016 and 2018 skeletons of seed
// 004's course.
#define FLAGS(X)                                                                                             \
    X("-c", "FILE", CONFIG_FILE, "read options from FILE (herald.conf)")                                     \
    X("--config", "FILE", CONFIG_FILE, NULL)                                                                 \
    X("--check", NULL, CHECK, "check the options, say what is wrong, start nothing")                         \
    X("--print-config", NULL, PRINT, "print a herald.conf of the options in force")                          \
    X("-h", NULL, HELP, NULL)                                                                                \
    X("--help", NULL, HELP, "print this")                                                                    \
    X("--version", NULL, VERSION, "print the version")                                                       \
    X("-lp", "PORT", COURSE_LISTEN_PORT, "the port of --listen")                                             \
    X("-lh", "HOST", COURSE_LISTEN_HOST, "--advertise, and the host of --listen if numeric")                 \
    X("-rp", "PORT", COURSE_CONNECT_PORT, "the port of --connect")                                           \
    X("-rh", "HOST", COURSE_CONNECT_HOST, "the host of --connect (localhost)")                               \
    X("-s", "SECRET", COURSE_SECRET, "--secret")                                                             \
    X("-a", "MILLISECONDS", COURSE_ANNOUNCE, "--announce-interval")
