/* SPDX-License-Identifier: Apache-2.0 */
#include "lasterror.h"

#include <stdio.h>

#include "cnnlens.h"

/* A fixed buffer: setting a message cannot fail and leaves nothing to free when a thread ends. */
static _Thread_local char message[4096];

void cnnlens__set_last_error(const char *text)
{
    int length = snprintf(message, sizeof message, "%s", text);
    if (length < (int)sizeof message)
        return;
    /* Too long: end in an ellipsis, not in the middle of a UTF-8 character. */
    size_t end = sizeof message - 4;
    while (end > 0 && ((unsigned char)message[end] & 0xC0) == 0x80)
        end--;
    snprintf(message + end, sizeof message - end, "...");
}

const char *cnnlens_last_error(void)
{
    return message;
}
