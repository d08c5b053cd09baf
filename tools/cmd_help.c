/* SPDX-License-Identifier: Apache-2.0 */
/* nextpose help TOPIC: the pages of docs/ that users need, carried by the binary. */
#include <stdio.h>
#include <string.h>

#include "help_topics.h"
#include "tool.h"

/* "formats.md" is the topic "formats". Kept a topic a slot: the search for the nearest name holds on to what it was given. */
static const char *topic_at(const void *arg, int i) {
    static char name[32][32];
    if (i >= 32 || !tool_help_topics[i].name) return NULL;
    snprintf(name[i], sizeof name[i], "%.*s", (int)strcspn(tool_help_topics[i].name, "."), tool_help_topics[i].name);
    return name[i];
}

/* The heading of a page, without its '#'. */
static void print_title(int i) {
    const char *line = tool_help_topics[i].text;
    while (*line == '#' || *line == ' ') line++;
    printf("  %-12s %.*s\n", topic_at(NULL, i), (int)strcspn(line, "\n"), line);
}

int cmd_help(const char *topic) {
    const char *name;
    if (!topic) {
        printf("\ntopics:      nextpose help TOPIC\n");
        for (int i = 0; topic_at(NULL, i); i++) print_title(i);
    } else {
        int i = 0;
        while ((name = topic_at(NULL, i)) && strcmp(name, topic)) i++;
        if (!name) {
            const char *const near = opts_nearest(topic, topic_at, NULL);
            if (near) tool_say("no help on '%s': did you mean '%s'?", topic, near);
            else tool_say("no help on '%s': 'nextpose help' lists the topics, 'nextpose COMMAND --help' the options of a command", topic);
            return EXIT_USAGE;
        }
        fputs(tool_help_topics[i].text, stdout);
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
}
