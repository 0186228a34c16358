/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP server on 127.0.0.1 that asks headgate before it works: each request is one of its
 * client's address. Who is over the limit gets 429, and is told when to come back. SIGTERM ends it
 * once the requests that are being served are done.
 *
 *   limited_server PORT DOMAIN [SOCKET [MILLISECONDS]]    MILLISECONDS: what serving takes
 *
 *   cc limited_server.c $(pkg-config --cflags --libs headgate-client) -pthread -o limited_server
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <headgate/client_c.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 8, REQUEST_BYTES = 8192, SECOND_NS = 1000000000 };

static headgate_client* client;
static int listener;
static long work_ms;

static void serve(void) {
  const struct timespec work = {work_ms / 1000, work_ms % 1000 * 1000000};
  nanosleep(&work, NULL);
}

/* Reads a request's head and forgets it; false: none came. */
static bool read_request(int connection) {
  char head[REQUEST_BYTES + 1];
  size_t length = 0;
  while (length < REQUEST_BYTES) {
    const ssize_t more = recv(connection, head + length, REQUEST_BYTES - length, 0);
    if (more <= 0) return false;
    length += (size_t)more;
    head[length] = '\0';
    if (strstr(head, "\r\n\r\n") != NULL) return true;
  }
  return false;
}

static void answer(int connection, const char* status, const char* header, const char* body) {
  char text[512];
  const int length = snprintf(text, sizeof text,
                              "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                              "Connection: close\r\n\r\n%s",
                              status, header, strlen(body), body);
  (void)send(connection, text, (size_t)length, MSG_NOSIGNAL);
}

/* Up to a second of jitter on top: those who were refused together do not return together. */
static void refuse(int connection, int64_t retry_after_ns, unsigned* seed) {
  char header[64] = "";
  if (retry_after_ns >= 0) { /* negative: waiting does not help */
    const int64_t wait_ns = retry_after_ns + rand_r(seed) % SECOND_NS;
    snprintf(header, sizeof header, "Retry-After: %lld\r\n", (long long)(wait_ns / SECOND_NS + 1));
  }
  answer(connection, "429 Too Many Requests", header, "too many requests\n");
}

static void handle(int connection, const struct sockaddr_in* peer, unsigned* seed) {
  if (!read_request(connection)) return;
  char address[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &peer->sin_addr, address, sizeof address);
  const headgate_entry entry = {"client_ip", address};
  headgate_key* key = headgate_key_new(client, &entry, 1);
  headgate_permit permit;
  const headgate_decision decision = headgate_try_acquire(client, key, 1, &permit);
  if (decision.is_admitted) {
    serve();
    headgate_permit_end(&permit, -1, false);
    answer(connection, "200 OK", "", "welcome\n");
  } else {
    refuse(connection, decision.retry_after_ns, seed);
  }
  headgate_key_free(key);
}

/* Until the listener is shut down. */
static void* work(void* number) {
  unsigned seed = (unsigned)time(NULL) ^ *(const unsigned*)number;
  for (;;) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    const int connection = accept(listener, (struct sockaddr*)&peer, &size);
    if (connection < 0 && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (connection < 0) return NULL;
    const struct timeval patience = {.tv_sec = 5};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    handle(connection, &peer, &seed);
    close(connection);
  }
}

static int listen_on(const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  const int yes = 1;
  const int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(made, (struct sockaddr*)&address, size) != 0 || listen(made, 128) != 0 ||
      getsockname(made, (struct sockaddr*)&address, &size) != 0) {
    perror("limited_server: cannot listen");
    return -1;
  }
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return made;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: limited_server PORT DOMAIN [SOCKET [MILLISECONDS]]\n");
    return 2;
  }
  sigset_t ends; /* blocked in every thread, also in the library's: main waits for them */
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  const headgate_options options = {
      .size = sizeof options, .domain = argv[2], .socket = argc > 3 ? argv[3] : NULL};
  char error[256];
  client = headgate_client_open(&options, error, sizeof error);
  if (client == NULL) {
    fprintf(stderr, "limited_server: %s\n", error);
    return 1;
  }
  work_ms = argc > 4 ? atol(argv[4]) : 0;
  listener = listen_on(argv[1]);
  if (listener < 0) return 1;

  pthread_t threads[THREADS];
  unsigned numbers[THREADS];
  for (unsigned i = 0; i < THREADS; ++i) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, work, &numbers[i]) != 0) abort();
  }
  int signal = 0;
  sigwait(&ends, &signal);
  shutdown(listener, SHUT_RDWR);
  for (unsigned i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  close(listener);
  headgate_client_close(client);
  return 0;
}
