// herald: the command line read, one command run, its outcome the exit status.
#include "cli/account.h"
#include "cli/admin.h"
#include "cli/chat.h"
#include "cli/enter.h"
#include "cli/follow.h"
#include "cli/import.h"
#include "cli/post.h"
#include "cli/say.h"
#include "cli/setting.h"
#include "cli/wish.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum outcome run_course(struct wish *wish) {
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !wish->json ? chat_course(wish)
                                                                        : follow_course(wish);
}

static enum outcome (*const commands[CLI_COMMAND_COUNT])(struct wish *) = {
    [CLI_create] = account_create,
    [CLI_lookup] = account_lookup,
    [CLI_reverse_lookup] = account_reverse_lookup,
    [CLI_modify] = account_modify,
    [CLI_delete] = account_delete,
    [CLI_list] = account_list,
    [CLI_import] = import_run,
    [CLI_export] = export_run,
    [CLI_settings] = setting_run,
    [CLI_admin] = admin_run,
    [CLI_register] = enter_register,
    [CLI_login] = enter_login,
    [CLI_logout] = enter_logout,
    [CLI_post] = post_run,
    [CLI_follow] = follow_run,
    [CLI_chat] = chat_run,
    [CLI_course] = run_course,
};

static enum outcome print(struct buf *text, int status) {
    if (!status) status = say_raw(STDOUT_FILENO, buf_str(text));
    buf_free(text);
    if (!status) return OUTCOME_DONE;
    say("cannot write to standard output");
    return OUTCOME_REFUSED;
}

static enum outcome run(struct wish *wish) {
    struct buf text = {0};
    if (wish->help) {
        cli_help(wish->command, &text);
        return print(&text, 0);
    }
    if (wish->version) return print(&text, buf_append_text(&text, "herald " HERALD_VERSION "\n"));
    return commands[wish->command](wish);
}

int main(int argc, char **argv) {
    static struct wish wish; // large for a stack, and there is one
    struct err err = {0};
    enum outcome outcome = OUTCOME_USAGE;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (wish_parse(&wish, argc, argv, getenv("HERALD_SERVERS"), &err) == 0)
        outcome = run(&wish);
    else
        say("%s", err.text);
    wish_fini(&wish);
    return (int)outcome;
}
