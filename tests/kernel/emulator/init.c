/* SPDX-License-Identifier: Apache-2.0 */
/* The only process of the machine that pack.sh makes: runs the commands of /cmd, one a line, says how each ended, and turns the machine off. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void run(char *line) {
    char *argv[64];
    int n = 0, status = 0;
    for (char *w = strtok(line, " \n"); w && n < 63; w = strtok(NULL, " \n")) argv[n++] = w;
    argv[n] = NULL;
    if (!n) return;
    printf("emulator: run");
    for (int i = 0; i < n; i++) printf(" %s", argv[i]);
    printf("\n");
    fflush(stdout);
    const pid_t p = fork();
    if (p == 0) {
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    waitpid(p, &status, 0);
    printf("emulator: exit %d signal %d\n", WEXITSTATUS(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fflush(stdout);
}

int main(void) {
    char line[4096];
    const int tty = open("/dev/ttyS0", O_RDWR);
    for (int i = 0; tty >= 0 && i < 3; i++) dup2(tty, i);
    mount("proc", "/proc", "proc", 0, NULL);
    FILE *f = fopen("/cmd", "r");
    while (f && fgets(line, sizeof line, f)) run(line);
    printf("emulator: done\n");
    fflush(stdout);
    tcdrain(1);
    if (iopl(3) == 0) /* Bochs turns off at this word; others at the reboot call */
        for (const char *s = "Shutdown"; *s; s++) outb((unsigned char)*s, 0x8900);
    reboot(RB_POWER_OFF);
    for (;;) pause();
}
