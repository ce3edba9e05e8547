"""What the API says to people, in Portuguese (Brazil), by the English template of `said`.

Whoever writes a new sentence adds it here, with the same names in braces; a test names what is
missing, or is said no more.
"""

PORTUGUESE = {
    # what the operating system says
    "Permission denied": "permissão negada",
    "Connection refused": "conexão recusada",
    "Connection reset by peer": "a conexão foi interrompida pelo outro lado",
    "No route to host": "não há rota até o host",
    "Input/output error": "erro de entrada e saída",
    "Network is unreachable": "a rede não pode ser alcançada",
    "No such file or directory": "não existe esse arquivo ou pasta",
    "No space left on device": "não há espaço no disco",
    "Not a directory": "não é uma pasta",
    "Broken pipe": "a conexão foi encerrada",
    "Read-only file system": "o sistema de arquivos só permite leitura",
    "Stale file handle": "o arquivo não está mais lá (sistema de arquivos de rede)",
    "Connection timed out": "a conexão esgotou o tempo",
    # the data folder
    "The study's folder can't be read: {why}.": "A pasta do estudo não pode ser lida: {why}.",
    "The data folder {root} is not there, or has no {router_id}: is its disk mounted?": (
        "A pasta de dados {root} não está lá, ou não tem {router_id}: o disco está montado?"
    ),
    "The data folder {root} is another one: its {router_id} says {found}, not {expected}. "
    "Mount the right disk": (
        "A pasta de dados {root} é outra: seu {router_id} diz {found}, e não {expected}. Monte o "
        "disco certo"
    ),
    "The data folder {root} has nothing of this router's in it: is its disk mounted? If it is to "
    "begin here anew, POST /api/v1/data-folder/adopt": (
        "A pasta de dados {root} não tem nada deste roteador: o disco está montado? Se é para "
        "começar de novo aqui, POST /api/v1/data-folder/adopt"
    ),
    # the database
    "The database can't be used now: {cause}": (
        "O banco de dados não pode ser usado agora: {cause}"
    ),
    "The database's schema has not been made yet": (
        "O esquema do banco de dados ainda não foi criado"
    ),
    "The database went away: {cause}": "O banco de dados deixou de responder: {cause}",
    "The database's schema is at {found}, this version needs {wanted}: run "
    "`python -m dicom_router.migrations`": (
        "O esquema do banco de dados está em {found}, esta versão precisa de {wanted}: execute "
        "`python -m dicom_router.migrations`"
    ),
    "nothing": "nada",
    # DICOM
    "{title} at {host}:{port}": "{title} em {host}:{port}",
    "permanent": "permanente",
    "transient": "passageira",
    "no reason given": "nenhum motivo informado",
    "application context name not supported": "contexto de aplicação não suportado",
    "calling AE title not recognized": "calling AE title (o nosso) não reconhecido",
    "called AE title not recognized": "called AE title (o dele) não reconhecido",
    "protocol version not supported": "versão do protocolo não suportada",
    "temporary congestion": "congestionamento passageiro",
    "local limit exceeded": "limite local excedido",
    "source {source}, reason {reason}": "origem {source}, motivo {reason}",
    "result {result}": "resultado {result}",
    "the connection broke: {why}": "a conexão caiu: {why}",
    "the peer presents no certificate, and one is demanded": (
        "o outro lado não apresenta certificado, e ele é exigido"
    ),
    "the peer offers no cipher suite that is allowed": (
        "o outro lado não oferece nenhuma cifra permitida"
    ),
    "the peer offers only TLS versions older than 1.2": (
        "o outro lado só oferece versões do TLS anteriores à 1.2"
    ),
    "what the peer speaks is not TLS": "o outro lado não fala TLS",
    "what the peer speaks is HTTP": "o outro lado fala HTTP",
    "the peer's certificate is not accepted: {why}": (
        "o certificado do outro lado não é aceito: {why}"
    ),
    "the peer does not agree to TLS: {why}": "o outro lado não aceita o TLS: {why}",
    "TLS: {why}": "TLS: {why}",
    "the connection was closed": "a conexão foi encerrada",
    "the peer broke off in the middle of it": "o outro lado desistiu no meio",
    "by its protocol layer, reason: {reason}": ("pela camada de protocolo dele, motivo: {reason}"),
    "by its application": "pela aplicação dele",
    "{peer} did not respond within {seconds:g} s": "{peer} não respondeu em {seconds:g} s",
    "{peer} did not answer the association request within {seconds:g} s": (
        "{peer} não respondeu ao pedido de associação em {seconds:g} s"
    ),
    "{peer} stopped taking data for {seconds:g} s": (
        "{peer} deixou de receber dados por {seconds:g} s"
    ),
    "the host name of {peer} is not known: is it right, and does DNS work here?": (
        "o nome do host de {peer} não é conhecido: está certo, e o DNS funciona aqui?"
    ),
    "{peer} refused the connection: is it running, and is the port right?": (
        "{peer} recusou a conexão: está em execução, e a porta está certa?"
    ),
    "{peer} did not answer within {seconds:g} s: is it switched on, and does a firewall let us "
    "through?": (
        "{peer} não respondeu em {seconds:g} s: está ligado, e o firewall nos deixa passar?"
    ),
    "{peer} cannot be reached: {why}": "{peer} não pode ser alcançado: {why}",
    "no TLS connection with {peer}: {why}": "sem conexão TLS com {peer}: {why}",
    "{peer} did not finish the TLS handshake: does it speak TLS on this port?": (
        "{peer} não concluiu a abertura do TLS: ele fala TLS nesta porta?"
    ),
    "{peer} aborted the association {how}": "{peer} interrompeu a associação {how}",
    "{peer} breaks the DICOM protocol: {why}": "{peer} viola o protocolo DICOM: {why}",
    "stopped before the TLS handshake with {peer} was over": (
        "interrompido antes do fim da abertura do TLS com {peer}"
    ),
    "{peer} rejected the association: {why}": "{peer} rejeitou a associação: {why}",
    "{peer} broke off the association: {why}": "{peer} desfez a associação: {why}",
    "stopped in the middle of an exchange with {peer}": (
        "interrompido no meio de uma conversa com {peer}"
    ),
    "{peer} answered with the status 0x{status:04X}": (
        "{peer} respondeu com o status 0x{status:04X}"
    ),
    "{peer} answered": "{peer} respondeu",
    "{peer} takes the association but does not do C-ECHO (Verification)": (
        "{peer} aceita a associação, mas não faz C-ECHO (Verification)"
    ),
    # routes
    "{what}: {known}, not {wanted}": "{what}: {known}, e não {wanted}",
    "disabled or not there: {names}": "desativados ou inexistentes: {names}",
    "none is known": "nenhum conhecido",
    "{one} or {other}": "{one} ou {other}",
    "there are no routes: every enabled destination": "não há rotas: todos os destinos ativados",
    "the only route does not apply": "a única rota não se aplica",
    "none of the {count} routes applies": "nenhuma das {count} rotas se aplica",
    "route {name}: {destinations}": "rota {name}: {destinations}",
    "routes {names}: {destinations}": "rotas {names}: {destinations}",
    "calling AE title": "calling AE title",
    "called AE title": "called AE title",
    "patient ID: not {wanted}": "ID do paciente: não é {wanted}",
    "study description: not {wanted}": "descrição do estudo: não é {wanted}",
    "nowhere": "nenhum lugar",
    "modality": "modalidade",
    "{route} comes before it and is the last one to apply": (
        "{route} vem antes e é a última a se aplicar"
    ),
    "a route's name never changes; add another one": (
        "o nome de uma rota nunca muda; adicione outra"
    ),
    "there is no destination {unknown}; GET /api/v1/destinations lists them": (
        "não existe o destino {unknown}; GET /api/v1/destinations os lista"
    ),
    "There is no route {name!r}; GET /api/v1/routes lists them.": (
        "Não existe a rota {name!r}; GET /api/v1/routes as lista."
    ),
    "There is a route {name!r} already; PUT changes it.": (
        "Já existe a rota {name!r}; PUT a altera."
    ),
    # TLS files
    "{path} holds no certificate (-----BEGIN CERTIFICATE-----)": (
        "{path} não contém certificado (-----BEGIN CERTIFICATE-----)"
    ),
    "{path} can't be read: {why}": "{path} não pode ser lido: {why}",
    "{path} holds a certificate that can't be read": (
        "{path} contém um certificado que não pode ser lido"
    ),
    "{named} can't be used: {why}; they are PEM files of a certificate with its chain, of its key "
    "without a passphrase, and of the authorities that are trusted": (
        "{named} não podem ser usados: {why}; são arquivos PEM de um certificado com sua cadeia, "
        "de sua chave sem senha, e das autoridades em que se confia"
    ),
    "a file is no PEM file, or not of this kind": "um arquivo não é PEM, ou não é deste tipo",
    "the key has a passphrase": "a chave tem senha",
    # signing in
    "Send `Authorization: Bearer <token>`, or sign in at /.": (
        "Envie `Authorization: Bearer <token>`, ou entre em /."
    ),
    "One signs in on the router's own page, or with no browser at all.": (
        "Entra-se pela página do próprio roteador, ou sem navegador."
    ),
    "A change by cookie must come from the router's own page (Origin); use a bearer token "
    "elsewhere.": (
        "Uma mudança com cookie tem de vir da página do próprio roteador (Origin); fora dela, use "
        "um token."
    ),
    "Name or password is wrong, or the user is disabled.": (
        "O nome ou a senha está errado, ou o usuário está desativado."
    ),
    "this is not the present password": "esta não é a senha atual",
    "This token expired on {expires_at:%Y-%m-%d %H:%M} UTC.": (
        "Este token venceu em {expires_at:%d/%m/%Y %H:%M} UTC."
    ),
    "This session was ended. {then}": "Esta sessão foi encerrada. {then}",
    "Too many wrong tokens or passwords came from {address}: none is looked at for {seconds} s.": (
        "Vieram tokens ou senhas errados demais de {address}: nenhum será visto por {seconds} s."
    ),
    "This token is not known (any more).": "Este token não é (mais) conhecido.",
    "This needs the role {needed}; {name} has {role}.": (
        "Isto exige o papel {needed}; {name} tem {role}."
    ),
    "{name} has no password: only users have (GET /api/v1/users).": (
        "{name} não tem senha: só usuários têm (GET /api/v1/users)."
    ),
    "The password was changed meanwhile: sign in with the new one.": (
        "A senha foi trocada nesse meio-tempo: entre com a nova."
    ),
    "Give name and password, a token, or a sign-in link's token.": (
        "Informe nome e senha, um token, ou o token de um link de entrada."
    ),
    "it needs {count} characters or more; a few words are easier to remember": (
        "precisa de {count} caracteres ou mais; algumas palavras são mais fáceis de lembrar"
    ),
    "it needs {count} different characters or more": (
        "precisa de {count} caracteres diferentes ou mais"
    ),
    "it must not contain the user's name": "não pode conter o nome do usuário",
    "Too many passwords are being checked at once": (
        "Há senhas demais em verificação ao mesmo tempo"
    ),
    # users and tokens
    "it is in the future, at most ten years ahead, or null": (
        "fica no futuro, no máximo daqui a dez anos, ou nulo"
    ),
    "There is a token {name!r} already: delete it, or take another name.": (
        "Já existe o token {name!r}: exclua-o, ou escolha outro nome."
    ),
    "There is no token {token_id!r}; GET /api/v1/tokens lists them.": (
        "Não existe o token {token_id!r}; GET /api/v1/tokens os lista."
    ),
    "{name!r} is not free: in the audit trail it is no person's": (
        "{name!r} não está livre: na auditoria não é nome de pessoa"
    ),
    "a user's name never changes; add another one": (
        "o nome de um usuário nunca muda; adicione outro"
    ),
    "There is no user {name!r}; GET /api/v1/users lists them.": (
        "Não existe o usuário {name!r}; GET /api/v1/users os lista."
    ),
    "{name!r} is the last user with the role admin: give it to another one first.": (
        "{name!r} é o último usuário com o papel de administrador: antes, dê-o a outro."
    ),
    "There is a user {name!r} already; PUT changes it.": (
        "Já existe o usuário {name!r}; PUT o altera."
    ),
    "The audit trail can't be written now, so nothing is shown or done": (
        "A auditoria não pode ser gravada agora, por isso nada é mostrado nem feito"
    ),
    # alarms
    "{setting} can't be reached ({reason})": "{setting} não pode ser alcançado ({reason})",
    "{setting} answered {code}": "{setting} respondeu {code}",
    # callers that were refused: why, and what to do
    "no presentation context was accepted; it asked for {contexts}": (
        "nenhum contexto de apresentação foi aceito; foi pedido: {contexts}"
    ),
    "none": "nenhum",
    "{count} more": "mais {count}",
    "{service}, which the router does not do": "{service}, que o roteador não faz",
    "{service} in {syntaxes}": "{service} em {syntaxes}",
    "{service} in no transfer syntax": "{service} sem Transfer Syntax",
    "If {address} belongs to the site, admit {title} as a known scanner": (
        "Se {address} é da instituição, admita {title} como aparelho conhecido"
    ),
    "Give the scanner its old AE title back, or change the known scanner's to {title}": (
        "Volte o AE title antigo no aparelho, ou mude o do aparelho conhecido para {title}"
    ),
    "If {title} has moved, add {address} to its addresses; else find out who uses its name": (
        "Se {title} mudou de lugar, inclua {address} nos endereços dele; senão, descubra quem usa "
        "o nome dele"
    ),
    "See that the database answers; the scanner's next attempt gets through": (
        "Veja se o banco de dados responde; a próxima tentativa do aparelho passa"
    ),
    "Have the scanner call the router by its own AE title instead of {called}, or set "
    "ROUTER_REQUIRE_CALLED_AE=false": (
        "Faça o aparelho chamar o roteador pelo AE title dele em vez de {called}, ou defina "
        "ROUTER_REQUIRE_CALLED_AE=false"
    ),
    "It may try again soon. If it happens often, see who holds so many open, or raise "
    "ROUTER_DICOM_MAX_ASSOCIATIONS": (
        "Ele pode tentar de novo em breve. Se acontece muito, veja quem mantém tantas abertas, ou "
        "aumente ROUTER_DICOM_MAX_ASSOCIATIONS"
    ),
    "At {title}, let this service point to the system that offers it: the router stores images "
    "and answers C-ECHO": (
        "Em {title}, aponte este serviço para o sistema que o oferece: o roteador armazena imagens "
        "e responde ao C-ECHO"
    ),
    "See what {address} is: it does not speak DICOM 3.0": (
        "Veja o que é {address}: não fala DICOM 3.0"
    ),
    "See that {address} speaks TLS 1.2 or newer, trusts the router's certificate, and presents one "
    "that ROUTER_DICOM_TLS_CA trusts if that is set": (
        "Veja se {address} fala TLS 1.2 ou mais novo, confia no certificado do roteador e "
        "apresenta um em que ROUTER_DICOM_TLS_CA confia, se estiver definida"
    ),
    "Switch TLS on at {title}, or let it send to a plain port": (
        "Ligue o TLS em {title}, ou faça-o enviar para uma porta sem TLS"
    ),
    "The reason says what is not right": "O motivo diz o que não está certo",
    # checks: titles, what was found, what to do
    "it is used from the next connection on": "ele vale a partir da próxima conexão",
    "then restart the api": "depois reinicie a api",
    "The message broker can't be reached": "O servidor de mensagens não pode ser alcançado",
    "Database": "Banco de dados",
    "It answers, and its schema is this version's": "Responde, e seu esquema é o desta versão",
    "Clock": "Relógio",
    "the database's clock": "o relógio do banco de dados",
    "the clock of {host}": "o relógio de {host}",
    "{clock} is {seconds:.0f} s ahead": "{clock} está {seconds:.0f} s adiantado",
    "{clock} is {seconds:.0f} s behind": "{clock} está {seconds:.0f} s atrasado",
    "Compared with this machine's: {clocks}": "Em relação ao desta máquina: {clocks}",
    "Everything runs by this machine's clock": "Tudo segue o relógio desta máquina",
    "Less than {seconds:.0f} s apart from this machine's: {clocks}": (
        "A menos de {seconds:.0f} s do desta máquina: {clocks}"
    ),
    "Set the time on both machines and keep it so with NTP (timedatectl set-ntp true): times in "
    "the timeline, quiet times and certificates are judged by it": (
        "Acerte a hora nas duas máquinas e mantenha-a com NTP (timedatectl set-ntp true): as horas "
        "na linha do tempo, os tempos de silêncio e os certificados dependem dela"
    ),
    "Versions": "Versões",
    "Router {version}": "Roteador {version}",
    "in-process bus": "barramento interno",
    "Images received are organized": "As imagens recebidas são organizadas",
    "Nothing waits in the spool": "Nada em espera na área de entrada",
    "The oldest image in the spool has waited for {seconds:.0f} seconds": (
        "A imagem mais antiga na área de entrada está em espera há {seconds:.0f} segundos"
    ),
    "The oldest image in the spool has waited for {minutes:.0f} minutes: {file}; it is safe, but "
    "goes nowhere": (
        "A imagem mais antiga na área de entrada está em espera há {minutes:.0f} minutos: {file}; "
        "está segura, mas não vai a lugar nenhum"
    ),
    "See that an organizer runs, and what task.waiting or handler.waiting in its log say; dead "
    "letters of organizer.intake say why a single image can't be organized": (
        "Veja se há um organizer em execução, e o que task.waiting ou handler.waiting dizem no log "
        "dele; as mensagens mortas de organizer.intake dizem por que uma imagem não pode ser "
        "organizada"
    ),
    "DICOM ports": "Portas DICOM",
    "DICOM port {port}": "Porta DICOM {port}",
    "DICOM port {port} (TLS)": "Porta DICOM {port} (TLS)",
    "Nobody listens at {host}:{port}": "Ninguém escuta em {host}:{port}",
    "There is no answer at {host}:{port}": "Não há resposta em {host}:{port}",
    "The host {host} (ROUTER_RECEIVER_HOST) is not known here": (
        "O host {host} (ROUTER_RECEIVER_HOST) não é conhecido aqui"
    ),
    "{host}:{port} can't be reached: {why}": "{host}:{port} não pode ser alcançado: {why}",
    "What listens at {host}:{port} does not speak DICOM": (
        "O que escuta em {host}:{port} não fala DICOM"
    ),
    "{trouble}; no scanner can send to it": "{trouble}; nenhum aparelho consegue enviar para ela",
    "Start the receiver, and see its log: a port that it can't have is named there. Who listens: "
    "sudo ss -ltnp 'sport = :{port}'": (
        "Inicie o receptor e veja o log dele: uma porta que ele não consegue usar aparece lá. Quem "
        "escuta: sudo ss -ltnp 'sport = :{port}'"
    ),
    "DICOM is answered at {host}:{port}, inside the containers. Which port of the host leads "
    "there, and the host's firewall, can't be seen from here: docker compose port {host} {port}, "
    "and nc -vz from another machine": (
        "O DICOM responde em {host}:{port}, dentro dos contêineres. Daqui não se vê qual porta da "
        "máquina leva até lá, nem o firewall dela: docker compose port {host} {port}, e nc -vz de "
        "outra máquina"
    ),
    "DICOM is answered; this machine has no address now by which others reach it": (
        "O DICOM responde; esta máquina não tem agora um endereço pelo qual outras a alcancem"
    ),
    "DICOM is answered on {address} only, as ROUTER_DICOM_HOST says: other machines can't reach "
    "it": (
        "O DICOM responde só em {address}, como diz ROUTER_DICOM_HOST: outras máquinas não o "
        "alcançam"
    ),
    "DICOM is answered on this machine, but not by {addresses}": (
        "O DICOM responde nesta máquina, mas não por {addresses}"
    ),
    "Set ROUTER_DICOM_HOST to 0.0.0.0 and start again": (
        "Defina ROUTER_DICOM_HOST como 0.0.0.0 e inicie de novo"
    ),
    "DICOM is answered on {addresses}; {firewall}": "O DICOM responde em {addresses}; {firewall}",
    "Open it: {command}": "Abra-a: {command}",
    "{so_far}. If other machines can't: {command}": (
        "{so_far}. Se outras máquinas não conseguem: {command}"
    ),
    "the rule `{rule}`": "a regra `{rule}`",
    "the rule `{rule}`, and none before it names the port": (
        "a regra `{rule}`, e nenhuma antes dela cita a porta"
    ),
    "its policy, and no rule names the port": "sua política, e nenhuma regra cita a porta",
    "the firewall's rules can't be read from here ({why})": (
        "as regras do firewall não podem ser lidas daqui ({why})"
    ),
    "the firewall keeps it closed by {why}": "o firewall a mantém fechada; quem decide: {why}",
    "the firewall lets it in by {why}": "o firewall a deixa passar; quem decide: {why}",
    "no firewall is against it": "nenhum firewall a impede",
    "that takes root": "é preciso ser root",
    "neither nft nor iptables is here": "aqui não há nft nem iptables",
    "Scanners": "Aparelhos",
    "Scanner {name}": "Aparelho {name}",
    "Destination {name}": "Destino {name}",
    "There was no answer within 4 seconds, not even whether its name is known": (
        "Não houve resposta em 4 segundos, nem mesmo se o nome é conhecido"
    ),
    "It is disabled: nothing new is owed to it": "Está desativado: nada de novo lhe é devido",
    "Down since {since:%Y-%m-%d %H:%M}, {waiting}: {why}": (
        "Fora do ar desde {since:%d/%m/%Y %H:%M}, {waiting}: {why}"
    ),
    "nothing waits for it": "nada em espera",
    "1 delivery waits": "1 entrega em espera",
    "{count} deliveries wait": "{count} entregas em espera",
    "It answers a C-ECHO now": "Agora ele responde a um C-ECHO",
    "{now}. What waits goes out by itself": "{now}. O que está em espera sai sozinho",
    "It is paused; {waiting}": "Está em pausa; {waiting}",
    "End the pause once it may be sent to": "Encerre a pausa quando se puder enviar para ele",
    "{answer} in {ms} ms": "{answer} em {ms} ms",
    "C-ECHO failed at the stage {stage}: {why}": "O C-ECHO falhou na etapa {stage}: {why}",
    "{fix}. If it is only switched off, there is nothing to do": (
        "{fix}. Se ele só está desligado, não há nada a fazer"
    ),
    "Correct the host, or the DNS server that this machine asks (getent hosts {host} shows what it "
    "finds); an IP address as host does without": (
        "Corrija o host, ou o servidor DNS a que esta máquina pergunta (getent hosts {host} mostra "
        "o que ele acha); com um endereço IP como host ele não é preciso"
    ),
    "See that it runs and listens, that host and port are right, and that no firewall between here "
    "and there closes the port: nc -vz {host} {port}": (
        "Veja se está em execução e escuta, se host e porta estão certos, e se nenhum firewall no "
        "caminho fecha a porta: nc -vz {host} {port}"
    ),
    "See that both sides use TLS on this port and trust each other's certificates": (
        "Veja se os dois lados usam TLS nesta porta e confiam no certificado um do outro"
    ),
    "Have {ours}, from this machine's address, registered there as a DICOM node, and see that its "
    "AE title is really {theirs}": (
        "Peça que {ours}, com o endereço desta máquina, seja cadastrado lá como nó DICOM, e veja "
        "se o AE title de lá é mesmo {theirs}"
    ),
    "It takes associations but does not serve them: see its own log": (
        "Ele aceita associações, mas não as atende: veja o log dele"
    ),
    "It did not answer within {s:.0f} seconds": "Não respondeu em {s:.0f} segundos",
    "See that what it is about (a disk, the network, a server) still responds": (
        "Veja se aquilo de que se trata (um disco, a rede, um servidor) ainda responde"
    ),
    "It can't be looked at ({error})": "Não pode ser verificado ({error})",
    "The api's log says why: look for task.failed": (
        "O log da api diz por quê: procure task.failed"
    ),
    "See that the database runs and that ROUTER_DATABASE_URL is right; images are received and "
    "kept meanwhile. For another schema: python -m dicom_router.migrations": (
        "Veja se o banco de dados está em execução e se ROUTER_DATABASE_URL está certa; enquanto "
        "isso as imagens são recebidas e guardadas. Para outro esquema: "
        "python -m dicom_router.migrations"
    ),
    "Message broker": "Servidor de mensagens",
    "It is connected": "Está conectado",
    "See that RabbitMQ runs and that ROUTER_AMQP_URL is right; images are received and kept "
    "meanwhile": (
        "Veja se o RabbitMQ está em execução e se ROUTER_AMQP_URL está certa; enquanto isso as "
        "imagens são recebidas e guardadas"
    ),
    "Data folder": "Pasta de dados",
    "It is the folder that this router's database belongs to": (
        "É a pasta a que pertence o banco de dados deste roteador"
    ),
    "Mount the right disk at {path}: images are refused (A700) and nothing is deleted or given up "
    "meanwhile. Only if that disk is gone for good: go on with the folder that is there, on the "
    "dashboard's page of the disk": (
        "Monte o disco certo em {path}: enquanto isso as imagens são recusadas (A700) e nada é "
        "excluído nem abandonado. Só se aquele disco se perdeu de vez: siga com a pasta que está "
        "lá, na página do disco no painel"
    ),
    "{free} of {total} is free": "{free} de {total} estão livres",
    "Routes lead to destinations": "As rotas levam a destinos",
    "Enable the destination, or take it out of the route": "Ative o destino, ou tire-o da rota",
    "Studies that need attention": "Estudos que requerem atenção",
    "There are none": "Não há nenhum",
    "Look at each: its own page says why, and what to do": (
        "Veja cada um: a página dele diz por quê, e o que fazer"
    ),
    "images are refused (A700)": "imagens são recusadas (A700)",
    "Disk": "Disco",
    "Destinations": "Destinos",
    "1 known": "1 conhecido",
    "{count} known": "{count} conhecidos",
    "Either {how}": "Escolha: {how}",
    "These name destinations that are disabled or not there: {routes}": (
        "Estas citam destinos desativados ou inexistentes: {routes}"
    ),
    "1 route is in use": "1 rota em uso",
    "{count} routes are in use": "{count} rotas em uso",
    "None: studies go to every enabled destination": (
        "Nenhuma: os estudos vão para todos os destinos ativados"
    ),
    "1 study needs a person to look at it": "1 estudo precisa que alguém o veja",
    "{count} studies need a person to look at them": (
        "{count} estudos precisam que alguém os veja"
    ),
    "What it was about is not there any more": "Aquilo de que tratava não existe mais",
    "Studies without a destination": "Estudos sem destino",
    "Add or enable a destination: what is unrouted is sent then": (
        "Adicione ou ative um destino: o que está sem destino é enviado então"
    ),
    "Change the routes, or enable the destinations that they lead to: what is unrouted is sent "
    "once one applies. Or send a study from its own page": (
        "Mude as rotas, ou ative os destinos a que levam: o que está sem destino é enviado assim "
        "que uma se aplicar. Ou envie o estudo pela página dele"
    ),
    "Studies that failed": "Estudos que falharam",
    "Each study's page says which destination refused what, or that a delivery was cancelled; put "
    "that right, then send it again": (
        "A página de cada estudo diz que destino recusou o quê, ou que uma entrega foi cancelada; "
        "resolva isso e envie de novo"
    ),
    "Studies that are held": "Estudos retidos",
    "Release each on its page, or delete it; nothing more of it goes out until then": (
        "Libere cada um na página dele, ou exclua-o; até lá nada mais dele é enviado"
    ),
    "1 study": "1 estudo",
    "{count} studies": "{count} estudos",
    "Quarantine": "Quarentena",
    "1 image replaced by newer bytes": "1 imagem substituída por bytes mais novos",
    "{count} images replaced by newer bytes": "{count} imagens substituídas por bytes mais novos",
    "No image was left behind": "Nenhuma imagem ficou para trás",
    "1 image (received {since:%Y-%m-%d %H:%M}) could not be organized and went nowhere": (
        "1 imagem (recebida: {since:%d/%m/%Y %H:%M}) não pôde ser organizada e não foi a lugar "
        "algum"
    ),
    "{count} images could not be organized and went nowhere; the oldest is of "
    "{since:%Y-%m-%d %H:%M}": (
        "{count} imagens não puderam ser organizadas e não foram a lugar algum; a mais antiga: "
        "{since:%d/%m/%Y %H:%M}"
    ),
    "The dashboard's page of the quarantine says why and from whom: have it sent again or press "
    "“Try again” there, then remove what is of no use": (
        "A página da quarentena no painel diz por quê e de quem: faça com que seja enviada de novo "
        "ou use “Tentar de novo” ali, depois remova o que não serve mais"
    ),
    "None is enabled: nothing is owed to anybody, and new studies go nowhere": (
        "Nenhum está ativado: nada é devido a ninguém, e estudos novos não vão a lugar nenhum"
    ),
    "Enable one on the dashboard's page of them": "Ative um na página de destinos do painel",
    "Dead letters": "Mensagens mortas",
    "The dashboard's page of queues says why; put that right, then replay them there": (
        "A página de filas do painel diz por quê; resolva isso e repita-as ali"
    ),
    "images will be refused in {span}": "imagens serão recusadas em {span}",
    "not full within ten years": "não enche em dez anos",
    "it is not filling up": "não está enchendo",
    "{found} (period looked at: {span})": "{found} (período considerado: {span})",
    "1 hour": "1 hora",
    "{hours} hours": "{hours} horas",
    "{days} days": "{days} dias",
    "{years} years": "{years} anos",
    "how fast it fills can't be told now": "agora não se sabe em quanto tempo enche",
    "{answer}; its certificate expires {end:%Y-%m-%d %H:%M}": (
        "{answer}; o certificado dele vence em {end:%d/%m/%Y %H:%M}"
    ),
    "Have a new certificate put in place there: nothing is sent with an expired one": (
        "Peça que um certificado novo seja instalado lá: com um vencido nada é enviado"
    ),
    "Make room, or shorten ROUTER_RETENTION_HOURS": (
        "Libere espaço, ou encurte ROUTER_RETENTION_HOURS"
    ),
    "Certificates of DICOM over TLS": "Certificados do DICOM sobre TLS",
    "Certificate of HTTPS": "Certificado do HTTPS",
    "{path} expired {end:%Y-%m-%d %H:%M}": "{path} venceu em {end:%d/%m/%Y %H:%M}",
    "{path} is good until {end:%Y-%m-%d %H:%M}": "{path} vale até {end:%d/%m/%Y %H:%M}",
    "Put a new certificate in the place of {path}; {then}": (
        "Ponha um certificado novo no lugar de {path}; {then}"
    ),
    "Queues are consumed": "As filas são consumidas",
    "In {queues}": "Em {queues}",
    "The data folder can't be read: {why}": "A pasta de dados não pode ser lida: {why}",
    "See that {path} exists and belongs to the router's user": (
        "Veja se {path} existe e pertence ao usuário do roteador"
    ),
    "Put files in place that go together and that the router's user may read; what was loaded "
    "before is used until then, but not after a restart": (
        "Ponha arquivos que combinem e que o usuário do roteador possa ler; até lá vale o que foi "
        "carregado antes, mas não depois de um reinício"
    ),
    "Nobody consumes {names}; messages that wait: {waiting}": (
        "Ninguém consome {names}; mensagens em espera: {waiting}"
    ),
    "{count} queues, each with a consumer": "{count} filas, cada uma com um consumidor",
    "Start the service that the queue's name begins with; nothing is lost meanwhile": (
        "Inicie o serviço com que o nome da fila começa; enquanto isso nada se perde"
    ),
    "No destination is set, studies will stay unrouted; the earlier version sent to "
    "192.168.10.16:4243 ZEROCLICK": (
        "Nenhum destino definido, os estudos ficarão sem destino; a versão anterior enviava para "
        "192.168.10.16:4243 ZEROCLICK"
    ),
    "add one on the dashboard's page of destinations, or set TARGET_HOST=192.168.10.16 "
    "TARGET_PORT=4243 TARGET_AET=ZEROCLICK": (
        "adicione um na página de destinos do painel, ou defina TARGET_HOST=192.168.10.16 "
        "TARGET_PORT=4243 TARGET_AET=ZEROCLICK"
    ),
    "Not ready: {reasons}": "Não está pronto: {reasons}",
    # requests
    "it has 1 to 255 printable characters without spaces": (
        "tem de 1 a 255 caracteres visíveis, sem espaços"
    ),
    "it came with another request before: use a new one": (
        "já veio com outro pedido antes: use um novo"
    ),
    "The same request is being carried out: ask again in a moment.": (
        "O mesmo pedido está sendo executado: pergunte de novo em instantes."
    ),
    "A body has at most {count} bytes.": "Um corpo tem no máximo {count} bytes.",
    "A path or a query can't contain NUL (%00).": (
        "Um caminho ou uma consulta não pode conter NUL (%00)."
    ),
    "{name} asks more than {per_second:g} times a second: wait {seconds} s; the event stream tells "
    "what is new without asking.": (
        "{name} pergunta mais de {per_second:g} vezes por segundo: espere {seconds} s; o fluxo de "
        "eventos conta as novidades sem que se pergunte."
    ),
    "The log says more: look for request {request_id}.": (
        "O registro diz mais: procure pelo pedido {request_id}."
    ),
    "it is a date (2026-01-22) or a time (2026-01-22T14:15:30Z), not too far away": (
        "é uma data (2026-01-22) ou uma hora (2026-01-22T14:15:30Z), não muito distante"
    ),
    "{why}; use `next` of the page before, with the same filters": (
        "{why}; use o `next` da página anterior, com os mesmos filtros"
    ),
    "it is none that this API gave out": "não é um dos que esta API deu",
    "it is none that this API gave out; use `next` of the page before": (
        "não é um dos que esta API deu; use o `next` da página anterior"
    ),
    "it belongs to another order than {sort!r}": "pertence a outra ordem que não {sort!r}",
    "it is not JSON in UTF-8": "não é JSON em UTF-8",
    "Not signed in": "Sem sessão",
    "Not allowed": "Não permitido",
    "Not found": "Não encontrado",
    "Method not allowed": "Método não permitido",
    "This is not possible as things are": "Isto não é possível como as coisas estão",
    "The request is too large": "O pedido é grande demais",
    "A value is not allowed": "Um valor não é permitido",
    "Too many requests": "Pedidos demais",
    "Something went wrong here": "Algo deu errado aqui",
    "Not available now": "Não disponível agora",
    "There is nothing at this path; /api/docs lists what there is.": (
        "Não há nada neste caminho; /api/docs lista o que há."
    ),
    "{why}; try again soon.": "{why}; tente de novo em breve.",
    "{method} is not possible here; the header Allow says what is.": (
        "{method} não é possível aqui; o cabeçalho Allow diz o que é."
    ),
    "Field required": "campo obrigatório",
    "Extra inputs are not permitted": "campo desconhecido",
    "Input should be greater than or equal to {least}": "deve ser maior ou igual a {least}",
    "Input should be less than or equal to {most}": "deve ser menor ou igual a {most}",
    "String should have at least {count} character(s)": "deve ter ao menos {count} caractere(s)",
    "String should have at most {count} character(s)": "deve ter no máximo {count} caractere(s)",
    "String should match pattern '{pattern}'": "deve ter a forma '{pattern}'",
    "Input should be a whole number": "deve ser um número inteiro",
    "Input should be a number": "deve ser um número",
    "It should have at least {count} item(s)": "deve ter ao menos {count} item(ns)",
    "It should have at most {count} item(s)": "deve ter no máximo {count} item(ns)",
    "Input should be {expected}": "deve ser {expected}",
    "The request failed": "O pedido falhou",
    # data folder, disk, events, logs
    "The data folder is the database's already: there is nothing to do.": (
        "A pasta de dados já é a do banco de dados: não há nada a fazer."
    ),
    "`instead_of` is not the id of the folder that would be given up: GET /api/v1/data-folder has "
    "it as `expected_id`.": (
        "`instead_of` não é o id da pasta que seria abandonada: GET /api/v1/data-folder o tem como "
        "`expected_id`."
    ),
    "The data folder {root} can't be read ({why}): see that its disk is mounted and belongs to the "
    "router's user.": (
        "A pasta de dados {root} não pode ser lida ({why}): veja se o disco está montado e "
        "pertence ao usuário do roteador."
    ),
    "it is the id of an event of this stream": "é o id de um evento deste fluxo",
    "the api was started anew since; begin without one": (
        "a api foi reiniciada desde então; comece sem ele"
    ),
    # files in quarantine
    "it has no Study Instance UID": "não tem Study Instance UID",
    "it is no DICOM file: there is no DICM prefix at byte 128": (
        "não é um arquivo DICOM: falta o prefixo DICM no byte 128"
    ),
    "its file meta is longer than {count} bytes": "seu file meta passa de {count} bytes",
    "it ends within its file meta": "termina dentro do file meta",
    "its file meta lacks the SOP Instance or Transfer Syntax UID": (
        "falta no file meta o SOP Instance UID ou o Transfer Syntax UID"
    ),
    "its deflated data set can't be inflated: {error}": (
        "seus dados comprimidos não podem ser expandidos: {error}"
    ),
    "it inflates to more than {count} bytes of header": (
        "expande-se a mais de {count} bytes de cabeçalho"
    ),
    "it ends within ({group:04X},{element:04X})": "termina dentro de ({group:04X},{element:04X})",
    "its header has more than {count} elements": "seu cabeçalho tem mais de {count} elementos",
    "its data set is not encoded as its transfer syntax says": (
        "os dados não estão codificados como diz a sua transfer syntax"
    ),
    "it ends within a sequence": "termina dentro de uma sequência",
    "a sequence holds something that is no item": "uma sequência contém algo que não é um item",
    "it ends within an element": "termina dentro de um elemento",
    "its name is none that the router gives": "seu nome não é dos que o roteador dá",
    # callers that are refused
    "calling AE title {title!r} from {address}": (
        "o aparelho {title!r} (AE title de origem), de {address},"
    ),
    "{who} is refused: {sender} may not send from this address": (
        "{who} é recusado: {sender} não pode enviar deste endereço"
    ),
    "{who} is not a known sender; renamed? the address is that of {sender} ({title})": (
        "{who} não é conhecido; mudou de nome? o endereço é o de {sender} ({title})"
    ),
    "{who} is not a known sender: register it to admit it": (
        "{who} não é conhecido: cadastre-o para admiti-lo"
    ),
    "called AE title {called!r} is not {own!r}, and ROUTER_REQUIRE_CALLED_AE is set": (
        "o called AE title {called!r} não é {own!r}, e ROUTER_REQUIRE_CALLED_AE está ligada"
    ),
    "{count} associations are open already (ROUTER_DICOM_MAX_ASSOCIATIONS)": (
        "já há {count} associações abertas (ROUTER_DICOM_MAX_ASSOCIATIONS)"
    ),
    "the known senders can't be read from the database yet": (
        "os aparelhos conhecidos ainda não podem ser lidos do banco de dados"
    ),
    "{why}: switch TLS on at the sender, or let it send to a plain port": (
        "{why}: ligue o TLS no aparelho, ou deixe-o enviar a uma porta sem TLS"
    ),
    "the TLS handshake failed: {why}": "a abertura do TLS falhou: {why}",
    # a study's history: how it came
    "1 image": "1 imagem",
    "{count} images": "{count} imagens",
    "{names} and {count} more": "{names} e mais {count}",
    "{names} or yet more": "{names} ou ainda mais",
    "somebody": "alguém",
    "unnamed": "sem nome",
    "open": "aberta",
    "released": "encerrada",
    "aborted": "abortada",
    "lost": "perdida",
    "rejected": "recusada",
    "duplicates": "repetidas",
    "superseded": "substituídas",
    "quarantined": "em quarentena",
    "{title} at {address}": "{title} em {address}",
    "{sender} sent {images}": "{sender} enviou {images}",
    "the association was {outcome}": "a associação foi {outcome}",
    "{images} came from an unknown caller": "{images} de um remetente desconhecido",
    "{images} were here already, from an earlier version": (
        "{images} já aqui, de uma versão anterior"
    ),
    "{images} of {sender} taken in again from quarantine": (
        "{images} de {sender}: retomada da quarentena"
    ),
    "{images} in the study's folder": "{images} na pasta do estudo",
    "Revision {revision} is complete, {images} new: {why}": (
        "A revisão {revision} está completa e trouxe {images}: {why}"
    ),
    "1 association was released with every image accounted for; then nothing came for {seconds}": (
        "1 associação foi encerrada sem que faltasse nenhuma imagem; depois nada chegou por "
        "{seconds}"
    ),
    "all {count} associations were released with every image accounted for; then nothing came for "
    "{seconds}": (
        "todas as {count} associações foram encerradas sem que faltasse nenhuma imagem; depois "
        "nada chegou por {seconds}"
    ),
    "no association known": "nenhuma associação conhecida",
    "no clean release seen ({which})": "sem encerramento regular ({which})",
    "nothing came for {seconds}": "nada chegou por {seconds}",
    "{ended}, {count} receipts outstanding": "{ended}, faltam {count} recebimentos",
    "Taken over from an earlier version, which had sent it; {count} files on disk": (
        "Assumido de uma versão anterior, que o tinha enviado; {count} arquivos no disco"
    ),
    "Taken over from an earlier version, which had not sent it; {count} files on disk": (
        "Assumido de uma versão anterior, que não o tinha enviado; {count} arquivos no disco"
    ),
    "Instance {uid} came again with other bytes: the newest is in the folder and will be sent, the "
    "older is in quarantine": (
        "A instância {uid} veio de novo com outros bytes: a mais nova está na pasta e será "
        "enviada, a mais antiga está em quarentena"
    ),
    "Instance {uid} in quarantine: {what}": "Instância {uid} em quarentena: {what}",
    "taken in again as {receipt} for {by}": "retomada como {receipt} a pedido de {by}",
    "deleted by {by}": "excluída por {by}",
    "its file is not there any more": "o arquivo não está mais lá",
    "The study is of PatientID {own!r}, and an image came with PatientID {found!r}": (
        "O estudo é do PatientID {own!r}, e chegou uma imagem com o PatientID {found!r}"
    ),
    "The study is of PatientID {own!r}, but images came with {others}: see whether they are of the "
    "same patient": (
        "O estudo é do PatientID {own!r}, mas chegaram imagens com {others}: veja se são do mesmo "
        "paciente"
    ),
    # a study's history: what became of its files
    "{images} in a study folder and not in the database, as after going back to an older backup: "
    "taken in again": (
        "{images} em uma pasta de estudo e fora do banco de dados, como após voltar a uma cópia "
        "mais antiga: retomadas"
    ),
    "The missing images are there again": "As imagens que faltavam estão de volta",
    "No longer in the study's folder, but every destination has them: {images}": (
        "Fora da pasta do estudo, mas em todos os destinos: {images}"
    ),
    "In the study's folder again: {images}": "De volta à pasta do estudo: {images}",
    "Not in the study's folder: {images}. Put the files back, or have the scanner send the study "
    "again": (
        "Fora da pasta do estudo: {images}. Devolva os arquivos, ou peça ao aparelho que envie o "
        "estudo de novo"
    ),
    "Received, but neither in the spool nor in the study's folder: {images}. Put the files back, "
    "or have the scanner send the study again": (
        "Com recepção confirmada, mas nem na área de entrada nem na pasta do estudo: {images}. "
        "Devolva os arquivos, ou peça ao aparelho que envie o estudo de novo"
    ),
    "Its files are not in the data folder that was adopted on {at}": (
        "Seus arquivos não estão na pasta de dados adotada em {at}"
    ),
    "Removed from this disk: {images}": "Remoção deste disco: {images}",
    "Removed from this disk to make room, every destination has them: {images}": (
        "Remoção deste disco para abrir espaço, com cópia em todos os destinos: {images}"
    ),
    "Removed from this disk as kept long enough, every destination has them: {images}": (
        "Remoção deste disco no fim do prazo, com cópia em todos os destinos: {images}"
    ),
    "A new image came after the deletion: the study is received again, with what is new only": (
        "Uma imagem nova veio depois da exclusão: o estudo é recebido de novo, só com o que é novo"
    ),
    # a study's history: what people decided
    "{by} holds it; nothing more goes out: {reason}": (
        "{by} o retém; nada mais é enviado: {reason}"
    ),
    "{by} released it: {reason}": "{by} o liberou: {reason}",
    "{by} looked at it: {reason}": "{by} o conferiu: {reason}",
    "{by} had it deleted: {reason}": "{by} o excluiu: {reason}",
    "{by} had it deleted; deliveries cancelled by that: {count}. Why: {reason}": (
        "{by} o excluiu; entregas canceladas com isso: {count}. Por quê: {reason}"
    ),
    "Nothing more of it goes out until an operator decides: {why}": (
        "Nada mais dele é enviado até que um operador decida: {why}"
    ),
    "The study was deleted by {by}": "O estudo foi excluído por {by}",
    "Cancelled by {by}": "Cancelada por {by}",
    "{by} asked to send everything again to {to}": "{by} pediu para enviar tudo de novo para {to}",
    "{by} asked to send what is missing to {to}": "{by} pediu para enviar o que falta para {to}",
    "every destination it goes to": "todos os seus destinos",
    "{images}, once the study is released": "{images}, assim que o estudo for liberado",
    "nothing is missing": "nada falta",
    "nothing is sent: {why}": "nada é enviado: {why}",
    "nothing is sent: none of its images is on this disk any more": (
        "nada é enviado: nenhuma de suas imagens está mais neste disco"
    ),
    "{count} that it was not sent are no longer on this disk": (
        "{count} que não lhe foram enviadas não estão mais neste disco"
    ),
    "the study was deleted meanwhile": "o estudo foi excluído nesse meio-tempo",
    "{name} was disabled or deleted meanwhile": (
        "{name} foi desativado ou excluído nesse meio-tempo"
    ),
    "no destination is enabled": "nenhum destino está ativado",
    # deliveries
    "{destination}: {count} of {total} images to send": (
        "{destination}: {count} de {total} imagens a enviar"
    ),
    "{destination}: {sent} of 1 image": "{destination}: {sent} de 1 imagem",
    "{destination}: {sent} of {total} images": "{destination}: {sent} de {total} imagens",
    "{progress} in {duration}": "{progress} em {duration}",
    "under 1 s": "menos de 1 s",
    "{destination} is down: {why}": "{destination} está fora do ar: {why}",
    "{destination} refused an image with status 0x{status:04X}": (
        "{destination} recusou uma imagem com o status 0x{status:04X}"
    ),
    "{destination} is out of resources: it answered status 0x{status:04X}": (
        "{destination} está sem recursos: respondeu com o status 0x{status:04X}"
    ),
    "{destination} does not accept {sop_class} in {syntax}": (
        "{destination} não aceita {sop_class} em {syntax}"
    ),
    "{destination} did not take every image: each one that is missing says why": (
        "{destination} não recebeu todas as imagens: cada uma que falta diz por quê"
    ),
    "An image can't be sent: {why}": "Uma imagem não pode ser enviada: {why}",
    "Sending an image failed: {why}": "O envio de uma imagem falhou: {why}",
    "its file is not on the disk any more": "o arquivo não está mais no disco",
    "another image took the place of its file": "outra imagem tomou o lugar do arquivo dela",
    "its file is not in the transfer syntax it was received in": (
        "o arquivo não está na sintaxe de transferência em que foi recebido"
    ),
    "Everything is sent again instead": "Em vez disso, tudo é enviado de novo",
    "The destination was deleted": "O destino foi excluído",
    "The destination {name} was deleted by {by}": "O destino {name} foi excluído por {by}",
    "There is no delivery {delivery_id!r}; GET /api/v1/deliveries lists them.": (
        "Não existe a entrega {delivery_id!r}; GET /api/v1/deliveries as lista."
    ),
    "There is no bulk {bulk_id!r}: POST /api/v1/deliveries/bulk makes one.": (
        "Não existe o envio em lote {bulk_id!r}: POST /api/v1/deliveries/bulk cria um."
    ),
    "This delivery can't be tried again: it is {state}.": (
        "Esta entrega não pode ser tentada de novo: está {state}."
    ),
    "Its study was deleted": "O estudo foi excluído",
    "This delivery can't be cancelled: it is {state}.": (
        "Esta entrega não pode ser cancelada: está {state}."
    ),
    "It was replaced: the delivery {later} is owed its images": (
        "Foi substituída: suas imagens são da entrega {later}"
    ),
    "{why}; POST /api/v1/studies/…/forward sends what is missing.": (
        "{why}; POST /api/v1/studies/…/forward envia o que falta."
    ),
    "There is no destination {destination!r} any more: add it again first (POST "
    "/api/v1/destinations).": (
        "O destino {destination!r} não existe mais: antes, adicione-o de novo (POST "
        "/api/v1/destinations)."
    ),
    "This bulk has ended: there is nothing left to cancel.": (
        "Este envio em lote terminou: não há mais o que cancelar."
    ),
    # destinations
    "There is no destination {name!r}; GET /api/v1/destinations lists them.": (
        "Não existe o destino {name!r}; GET /api/v1/destinations os lista."
    ),
    "a destination's name never changes; add another one": (
        "o nome de um destino nunca muda; adicione outro"
    ),
    "Studies go to {name!r} by the routes {named_by}: change these before.": (
        "Estudos vão para {name!r} pelas rotas {named_by}: mude-as antes."
    ),
    "The destination {name!r} is what {variables} say: change these and restart, or unset them to "
    "change it here.": (
        "O destino {name!r} é o que dizem {variables}: mude-as e reinicie, ou retire-as para "
        "alterá-lo aqui."
    ),
    "There is a destination {name!r} already; PUT changes it.": (
        "Já existe o destino {name!r}; PUT o altera."
    ),
    "{left} deliveries to {name!r} have not ended: wait for them, or give ?waiting=discard to "
    "cancel them (they never count as delivered).": (
        "{left} entregas para {name!r} não terminaram: espere por elas, ou use ?waiting=discard "
        "para cancelá-las (nunca contam como entregues)."
    ),
    # quarantine and queues
    "{receipt_id!r} is not in quarantine; GET /api/v1/quarantine lists what is.": (
        "{receipt_id!r} não está em quarentena; GET /api/v1/quarantine lista o que está."
    ),
    "Its file is not in quarantine any more: {reason}.": (
        "O arquivo não está mais em quarentena: {reason}."
    ),
    "Its study was deleted: what is in quarantine stays there.": (
        "O estudo foi excluído: o que está em quarentena fica lá."
    ),
    "There is no dead letter {message_id!r} (any more); GET /api/v1/queues/{name}/dlq lists "
    "them.": (
        "Não existe (mais) a mensagem morta {message_id!r}; GET /api/v1/queues/{name}/dlq as lista."
    ),
    "There is no queue {name!r}; GET /api/v1/queues lists them.": (
        "Não existe a fila {name!r}; GET /api/v1/queues as lista."
    ),
    "the forwarders are away; what waits for the destination is in retry.30s": (
        "os forwarders estão fora; o que está em espera pelo destino está em retry.30s"
    ),
    "the organizers are away, wait for the database, or are slower than the scanners": (
        "os organizers estão fora, esperam pelo banco, ou são mais lentos que os aparelhos"
    ),
    "the organizers are away": "os organizers estão fora",
    "the forwarders are away or wait for the database": (
        "os forwarders estão fora ou esperam pelo banco"
    ),
    "the forwarders are away": "os forwarders estão fora",
    "no api runs, or the database is away": "nenhuma api em execução, ou o banco está fora",
    # senders
    "There is a sender {name!r} already; PUT changes it.": (
        "Já existe o aparelho {name!r}; PUT o altera."
    ),
    "There is no sender {name!r}; GET /api/v1/senders lists them.": (
        "Não existe o aparelho {name!r}; GET /api/v1/senders os lista."
    ),
    "a sender's name never changes; register another one": (
        "o nome de um aparelho nunca muda; cadastre outro"
    ),
    "Where {name!r} listens is not known: give it a host and a port (PUT).": (
        "Não se sabe onde {name!r} atende: informe host e porta (PUT)."
    ),
    # studies
    "There is no such study; GET /api/v1/studies?q= finds what there is.": (
        "Este estudo não existe; GET /api/v1/studies?q= encontra o que há."
    ),
    "{destination} has {images} of its {total} images since {since}": (
        "{destination} tem {images} das {total} imagens desde {since}"
    ),
    "This study is no longer on this disk: {who}. Send it from there.": (
        "Este estudo não está mais neste disco: {who}. Envie-o de lá."
    ),
    "there is none called {name!r}; GET /api/v1/destinations lists them": (
        "não há nenhum chamado {name!r}; GET /api/v1/destinations os lista"
    ),
    "The destination {name!r} is disabled: enable it first (PUT, `enabled: true`).": (
        "O destino {name!r} está desativado: ative-o antes (PUT, `enabled: true`)."
    ),
    "This study was deleted: there is nothing left to send.": (
        "Este estudo foi excluído: não há mais o que enviar."
    ),
    "This study is still being received; it goes out by itself.": (
        "Este estudo ainda está sendo recebido; ele sai sozinho."
    ),
    "an earlier version of the router had sent it": (
        "uma versão anterior do roteador já o tinha enviado"
    ),
    "This study was deleted: nothing of it goes out any more.": (
        "Este estudo foi excluído: nada mais dele é enviado."
    ),
    "This study is held already: {hold_reason}": "Este estudo já está retido: {hold_reason}",
    "This study was deleted: there is nothing left to release.": (
        "Este estudo foi excluído: não há mais o que liberar."
    ),
    "This study is not held, and nothing at it needs attention.": (
        "Este estudo não está retido, e nada nele requer atenção."
    ),
    "This study was deleted already, by {deleted_by}.": (
        "Este estudo já foi excluído, por {deleted_by}."
    ),
    "This study is no longer on this disk: nothing is left to delete.": (
        "Este estudo não está mais neste disco: não há o que excluir."
    ),
    "No destination is enabled: add one (POST /api/v1/destinations) or enable one.": (
        "Nenhum destino está ativado: adicione um (POST /api/v1/destinations) ou ative um."
    ),
    "no destination is known to have it": "não se sabe de nenhum destino que o tenha",
    "There is no picture of this series: {why}.": "Não há imagem desta série para mostrar: {why}.",
    "The study has no such series; GET …/series lists them.": (
        "O estudo não tem esta série; GET …/series as lista."
    ),
    "Many pictures are being drawn; try again soon.": (
        "Há muitas imagens sendo desenhadas; tente de novo em breve."
    ),
}
