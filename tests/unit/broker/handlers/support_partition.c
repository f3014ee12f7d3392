/* The rooms below, as the tests of partition/ wire them. */
#include "unit/broker/partition/support_rig.c"
