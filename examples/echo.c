// Says one thing, and prints who says what until it has heard itself.
//
//     cc echo.c $(pkg-config --cflags --libs libherald) -o echo
//     ./echo SERVER [USER SECRET]
#include <herald.h>

#include <stdio.h>
#include <string.h>

#define NOTE "{\"type\":\"Note\",\"content\":\"Is anybody there?\"}"

int main(int argc, char **argv) {
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: %s SERVER [USER SECRET]\n", argv[0]);
        return 2;
    }
    const char *servers[] = {argv[1]};
    struct herald_options options = {
        .size = sizeof options,
        .servers = servers,
        .server_count = 1,
        .user = argc == 4 ? argv[2] : NULL,
        .secret = argc == 4 ? argv[3] : NULL,
        .give_up_ms = 10000,
    };
    char error[256];
    herald *session = herald_open(&options, error, sizeof error);
    if (!session) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    herald_publish(session, NOTE, strlen(NOTE)); // goes out once it is logged in
    int status = -1;
    while (status < 0) {
        struct herald_event event;
        while (herald_next(session, &event)) {
            switch (event.kind) {
            case HERALD_LOGGED_IN: printf("logged in at %s as %s\n", event.server, event.user); break;
            case HERALD_ACTIVITY:
                printf("%s: %s\n", event.user, event.json);
                if (strstr(event.json, "Is anybody there?")) herald_logout(session);
                break;
            case HERALD_LOST: fprintf(stderr, "%s %s\n", event.server, event.text); break;
            case HERALD_ENDED:
                status = (int)event.status;
                if (status != HERALD_DONE) fprintf(stderr, "%s\n", event.text);
                break;
            default: break;
            }
        }
        herald_wait(session, -1);
    }
    herald_close(session);
    return status;
}
