#pragma once
/* Memory that only the start needed. */

/* Gives back pages of programs and libraries that lie in their files unchanged: the code that set
 * up TLS, name services and parsers once is two thirds of what is resident after the start and
 * never runs again. What is needed after all comes back from the page cache by itself. */
void memory_give_back(void);
