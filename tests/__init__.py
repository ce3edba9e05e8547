"""unit/ opens no socket, integration/ uses real servers, acceptance/ is C-STORE in, C-STORE out."""
