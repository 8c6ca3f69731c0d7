// What the bare limits have in common: a port on loopback, and the end when something is wrong.
#pragma once

// Says what failed and why, and ends the program.
_Noreturn void die(const char *what);
// As many descriptors as the system allows; how many that is.
int door_room(void);
// Listens on a port that is free, and prints the address as the first line. Its descriptor does not block.
int door_open(void);
// The next who came, with TCP_NODELAY; it does not block. -1: nobody.
int door_next(int door);
