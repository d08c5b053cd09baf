/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of docs/ in the binary, made by scripts/embed.sh; the last name is NULL. */
#ifndef NPI_TOOLS_HELP_TOPICS_H
#define NPI_TOOLS_HELP_TOPICS_H
struct tool_text { const char *name, *text; };
extern const struct tool_text tool_help_topics[];
#endif
